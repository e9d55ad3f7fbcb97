"""The console's HTTP API: the door, the request as JSON, the route, and one log line.

GET /console/openapi.json     describes every route; the only one without a token
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer

from jetbridge import bootstrap
from jetbridge.console import changes, orders, replays, rules, ship_options, skus, stores
from jetbridge.console.answers import RefusedError, refusal
from jetbridge.console.calls import Call, routes
from jetbridge.console.door import Door
from jetbridge.documents.console import RefusalAnswer
from jetbridge.domain.connection import SLUG

DESCRIPTION_PATH = "/console/openapi.json"

LARGEST_BODY = 2 * 1024 * 1024
"""Bytes: two hundred pasted orders are some 600 KB."""

ANSWER_SECONDS = 27
"""HTTP APIs give up after 30 s (facts/aws.md section 3.1); what goes on longer would be done without an answer."""

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

REFUSALS = {
    "400": "The request cannot be carried out.",
    "401": "No token of the console was shown.",
    "404": "What the path names is not there.",
    "405": "The path knows other methods.",
    "409": "Somebody else changed it meanwhile.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "The request is not as described here; the places are named.",
    "429": "Too many calls, or too many wrong tokens.",
    "502": "A partner refused, or answered in a way nobody understands.",
    "503": "A partner, a table or a secret did not answer: try again.",
}


class Api:
    """Answers HTTP API requests (payload format 2.0) for one console."""

    def __init__(self, console: bootstrap.Console) -> None:
        self._console = console
        self._door = Door(console.secrets, console.runtime, clock=time.monotonic)

    def answer(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's own
        """Answer one request. Whatever it holds: an answer, never an exception."""
        began = time.monotonic()
        http = event["requestContext"]["http"]
        action, store, by = _meant(http["method"], event["rawPath"])
        try:
            if event["rawPath"] != DESCRIPTION_PATH:
                by = self._door.opened_by(event.get("headers") or {}, http.get("sourceIp", ""))
            with bootstrap.invocation(context, at_most_seconds=ANSWER_SECONDS):
                RESOLVER.append_context(call=Call(self._console, by))  # type: ignore[no-untyped-call]  # as Router
                answer: dict[str, Any] = RESOLVER.resolve({**event, **_text(event)}, context)
        except Exception as error:  # noqa: BLE001 - the edge: whatever it was, somebody waits for an answer
            refused = refusal(error)
            said = refused.response()
            answer = {"statusCode": refused.status, "headers": said.headers, "body": json.dumps(said.body)}
        answer["headers"] = {**answer["headers"], **HEADERS}
        self._console.logger.info(
            "console",
            extra={
                "action": action,
                "store": store,
                "status": answer["statusCode"],
                "by": by,
                "milliseconds": round((time.monotonic() - began) * 1000),
            },
        )
        return answer


# -- the request ----------------------------------------------------------------------------------------------------


def _text(event: Mapping[str, Any]) -> dict[str, Any]:
    """Give the body as text. Powertools itself would read forms and files, too, and stumble over what is neither."""
    body = event.get("body") or ""
    if len(body) > LARGEST_BODY * 4 // 3 + 4:
        raise _too_large()
    try:
        # A lone surrogate is no text, and nothing that is stored or sent on may hold one.
        "".join((event["rawPath"], *(event.get("queryStringParameters") or {}).values())).encode()
        raw = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        text = raw.decode()
    except (binascii.Error, ValueError):
        raise RefusedError(400, "not_text", "The request is not UTF-8 text.") from None
    if len(raw) > LARGEST_BODY:
        raise _too_large()
    headers = {name: value for name, value in (event.get("headers") or {}).items() if name != "content-type"}
    kind = (event.get("headers") or {}).get("content-type", "application/json").partition(";")[0].strip().lower()
    if text and kind != "application/json":
        raise RefusedError(415, "not_json", "Send the body as application/json.")
    return {"body": text, "isBase64Encoded": False, "headers": headers}


def _too_large() -> RefusedError:
    return RefusedError(413, "too_large", f"A body holds at most {LARGEST_BODY // 1024} KB.")


def _json(text: str) -> dict[str, Any]:
    """Read a body: one JSON object, of numbers and texts that can be written down again."""
    try:
        found = json.loads(text, parse_constant=_not_a_number, parse_float=_finite)
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        raise RefusedError(400, "not_json", "The body is not JSON.") from None
    if not isinstance(found, dict):
        raise RefusedError(400, "not_an_object", "The body is not a JSON object.")
    if "\\u0000" in text:
        raise RefusedError(400, "not_text", "A text in the body holds a null character.")
    return found


def _not_a_number(_name: str) -> float:
    raise ValueError


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


# -- the routes -----------------------------------------------------------------------------------------------------

router = routes()


@router.get(DESCRIPTION_PATH, include_in_schema=False)
def describe() -> Response[str]:
    """Describe every route."""
    return Response(200, content_types.APPLICATION_JSON, _description())


def _resolver() -> APIGatewayHttpResolver:
    resolver = APIGatewayHttpResolver(
        enable_validation=True, response_validation_error_http_code=500, json_body_deserializer=_json
    )
    for each in (stores, rules, ship_options, skus, orders, replays, changes):
        resolver.include_router(each.router)
    resolver.include_router(router)
    resolver.configure_openapi(
        title="Jetbridge's console",
        version="1",
        description="For people and their scripts: stores, rules, ship options, SKUs, orders, replays.",
        security_schemes={"token": HTTPBearer(description="A token of the console.")},
        security=[{"token": []}],
    )

    @resolver.exception_handler(Exception)  # type: ignore[untyped-decorator]  # as Router
    def _refused(error: Exception) -> Response[dict[str, Any]]:
        return refusal(error).response()

    @resolver.not_found
    def _not_found(_error: NotFoundError) -> Response[dict[str, Any]]:
        methods = _methods(resolver.current_event.path)
        if not methods:
            return RefusedError(404, "not_found", "There is no such path; /console/openapi.json lists them.").response()
        message = f"This path knows {', '.join(methods)}."
        return RefusedError(405, "wrong_method", message, headers={"Allow": ", ".join(methods)}).response()

    return resolver


RESOLVER = _resolver()

_ROUTES = [
    (route.method, route.rule, route.openapi_path)
    for route in (*RESOLVER._static_routes, *RESOLVER._dynamic_routes)  # noqa: SLF001 - nothing else lists them
]


def _methods(path: str) -> list[str]:
    return sorted({method for method, rule, _ in _ROUTES if rule.match(path)})


def _meant(method: str, path: str) -> tuple[str, str, str]:
    """Name the route and the store of a request for the log: nothing else of its path is repeated there."""
    for known, rule, template in _ROUTES:
        if known == method and (found := rule.match(path)):
            store = found.groupdict().get("store", "")
            return f"{method} {template}", store if SLUG.fullmatch(store) else "", ""
    return "", "", ""


@cache
def _description() -> str:
    """Write the OpenAPI document, with every refusal that any route may answer."""
    document: dict[str, Any] = json.loads(RESOLVER.get_openapi_json_schema())
    schemas = document["components"]["schemas"]
    for name in (
        "HTTPValidationError",
        "ResponseValidationError",
        "ValidationError",
    ):  # Powertools' own answer, which is never given
        schemas.pop(name, None)
    said = RefusalAnswer.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= said.pop("$defs", {}) | {"Refusal": said}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    for operations in document["paths"].values():
        for operation in operations.values():
            answers = {status: found for status, found in operation["responses"].items() if status.startswith("2")}
            refused = {status: {"description": text, "content": content} for status, text in REFUSALS.items()}
            operation["responses"] = answers | refused
    return json.dumps(document)
