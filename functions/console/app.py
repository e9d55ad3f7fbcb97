"""The people's door: over HTTP with a token (`jetbridge.console`), or invoked directly by whoever IAM lets.

    {"action": "connect", "store": "myshop", "shop": "myshop.myshopify.com", "credentials": {…}, …}
    {"action": "check", "store": "myshop"}
    {"action": "disconnect", "store": "myshop", "force": false}

Delivery semantics: every action may be repeated; one that was cut short is finished by doing it again. The answer
is what was found, in words. Neither credentials nor what a partner says about customers is ever logged.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jetbridge import bootstrap
from jetbridge.console.api import Api
from jetbridge.domain.connection import broken, error, grouped, own_failure
from jetbridge.errors import InvalidRequestError, JetbridgeError
from jetbridge.use_cases.check_store import check_store
from jetbridge.use_cases.connect_store import connect_store
from jetbridge.use_cases.disconnect_store import disconnect_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetbridge.domain.connection import Finding

CONSOLE = bootstrap.console()
API = Api(CONSOLE)

Event = dict[str, Any]

BY = "IAM"
"""Who is recorded with what is changed directly: AWS knows whom it let."""


def lambda_handler(event: Event, context: Any) -> Event:  # noqa: ANN401 - Lambda's own
    """Answer one HTTP request; or carry out one action and answer with the findings."""
    if "requestContext" in event:
        return API.answer(event, context)
    action = event.get("action")
    act = ACTIONS.get(action) if isinstance(action, str) else None
    try:
        with bootstrap.invocation(context):
            findings = act(event) if act else [_refused(f"action: one of {', '.join(ACTIONS)}")]
    except InvalidRequestError as refusal:
        findings = [_refused(str(refusal))]
    except JetbridgeError as problem:
        findings = [own_failure(problem)]
    CONSOLE.logger.info("console", extra={"action": action if act else "", "codes": [each.code for each in findings]})
    answer = {"ok": not broken(findings), "findings": [asdict(each) for each in findings]}
    if act is _check:
        answer["troubles"] = {trouble: [asdict(each) for each in found] for trouble, found in grouped(findings).items()}
    return answer


def _refused(text: str) -> Finding:
    return error("bad_request", text, "Correct the request; the README shows one.")


def _connect(event: Event) -> list[Finding]:
    request = bootstrap.connection_request(event)
    findings = connect_store(request, **CONSOLE.ports(event), clock=bootstrap.now, new_token=bootstrap.new_token)
    if not broken(findings):
        CONSOLE.note(request.slug, BY, "store_connected")
    return findings


def _check(event: Event) -> list[Finding]:
    return check_store(
        bootstrap.store_slug(event),
        **CONSOLE.ports(event),
        records=CONSOLE.records,
        runtime=CONSOLE.runtime,
        clock=bootstrap.now,
    )


def _disconnect(event: Event) -> list[Finding]:
    slug = bootstrap.store_slug(event)
    known = slug in CONSOLE.settings.stores()
    findings = disconnect_store(
        slug,
        force=event.get("force") is True,
        **CONSOLE.ports(event),
        records=CONSOLE.records,
        partners=CONSOLE.partners,
        clock=bootstrap.now,
    )
    if known and "disconnected" in {each.code for each in findings}:
        CONSOLE.note(slug, BY, "store_disconnected")
    return findings


ACTIONS: dict[str, Callable[[Event], list[Finding]]] = {
    "connect": _connect,
    "check": _check,
    "disconnect": _disconnect,
}
