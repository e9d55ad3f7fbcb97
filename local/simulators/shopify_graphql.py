"""How Shopify answers GraphQL: its schema, its error words, its query cost and its pages. Knows no shop."""

from __future__ import annotations

import base64
import bisect
import datetime as dt
import functools
import json
import math
import re
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    StringValueNode,
    VariableNode,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    parse,
    validate,
)

from local.simulators.shopify_records import ForeignValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SCHEMA_FILE = Path(__file__).with_name("shopify.graphql")

MAX_PAGE = 250
MAX_LIST_ARGUMENT = 250
MAX_QUERY_COST = 1000


class ShopifyError(GraphQLError):
    """An error above the data, with the code Shopify gives it."""

    def __init__(self, message: str, code: str, **extensions: object) -> None:
        """Carry the code in the extensions."""
        super().__init__(message, extensions={"code": code, **extensions})


# -- schema ----------------------------------------


@functools.cache
def load_schema() -> GraphQLSchema:
    """Build the schema, once for all shops of a process: building takes a tenth of a second."""
    schema = build_schema(SCHEMA_FILE.read_text(encoding="utf-8"))
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLEnumType):
            kind.serialize = _serializer(kind)  # type: ignore[method-assign, assignment]
    schema.type_map["URL"].parse_value = _parse_url  # type: ignore[attr-defined]
    schema.type_map["DateTime"].parse_value = _parse_time  # type: ignore[attr-defined]
    return schema


def _serializer(kind: GraphQLEnumType) -> Callable[[Any], str]:
    strict = kind.serialize

    def serialize(value: Any) -> str:  # noqa: ANN401 - whatever a resolver gave
        return str(value) if isinstance(value, ForeignValue) else str(strict(value))

    return serialize


def _parse_url(value: object) -> str:
    parts = urllib.parse.urlsplit(value if isinstance(value, str) else "")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        message = f"Invalid url '{value}', missing scheme"
        raise GraphQLError(message)
    return str(value)


def _parse_time(value: object) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        message = f"{value} is not a valid DateTime"
        raise GraphQLError(message) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


# -- documents ----------------------------------------

# graphql-core's words turned into Shopify's, with its codes.
_REPHRASED = (
    (
        re.compile(r"Cannot query field '(?P<field>\w+)' on type '(?P<type>\w+)'"),
        "Field '{field}' doesn't exist on type '{type}'",
        "undefinedField",
    ),
    (
        re.compile(r"Unknown argument '(?P<argument>\w+)' on field '(?P<type>\w+)\.(?P<field>\w+)'"),
        "Field '{field}' doesn't accept argument '{argument}'",
        "argumentNotAccepted",
    ),
    (
        re.compile(r"Field '(?P<field>\w+)' argument '(?P<argument>\w+)' of type .* is required"),
        "Field '{field}' is missing required arguments: {argument}",
        "missingRequiredArguments",
    ),
    (
        re.compile(r"Field '(?P<field>\w+)' of type '(?P<type>[\w!\[\]]+)' must have a selection"),
        "Field must have selections (field '{field}' returns {type} but has no selections)",
        "selectionMismatch",
    ),
    (
        re.compile(r"Unknown directive '@(?P<directive>\w+)'"),
        "Directive @{directive} is not defined",
        "undefinedDirective",
    ),
)


@dataclass(frozen=True)
class CheckedDocument:
    """A document that was parsed and held against the schema; `errors` empty means it may run."""

    document: DocumentNode | None
    errors: tuple[dict[str, Any], ...]


@functools.lru_cache(maxsize=500)
def check_document(text: str) -> CheckedDocument:
    """Parse and validate a document, once each: clients send the same few again and again."""
    try:
        document = parse(text)
    except GraphQLError as error:
        return CheckedDocument(None, (_written(error.message, "PARSE_ERROR", error),))
    errors = [_rephrased(error) for error in validate(load_schema(), document)]
    return CheckedDocument(document, tuple(errors))


def _rephrased(error: GraphQLError) -> dict[str, Any]:
    for pattern, words, code in _REPHRASED:
        match = pattern.match(error.message)
        if match:
            return _written(words.format(**match.groupdict()), code, error)
    return _written(error.message, "argumentLiteralsIncompatible", error)


def _written(message: str, code: str, error: GraphQLError) -> dict[str, Any]:
    locations = [{"line": place.line, "column": place.column} for place in error.locations or []]
    return {"message": message, "locations": locations, "extensions": {"code": code}}


def answered_error(error: GraphQLError) -> dict[str, Any]:
    """Write an error that came up while a document ran, variables included."""
    formatted: dict[str, Any] = dict(error.formatted)
    if "extensions" in formatted:
        return formatted
    code = "INTERNAL_SERVER_ERROR"
    match = re.match(r"Variable '\$(\w+)'.*?(?:; (?P<why>.*))?$", error.message, re.DOTALL)
    if match:
        code = "INVALID_VARIABLE"
        why = match["why"] or error.message
        formatted["message"] = f"Variable ${match[1]} was provided invalid value ({why})"
    return formatted | {"extensions": {"code": code}}


# -- cost ----------------------------------------


def page_weight(size: int) -> int:
    """Say how many nodes' worth a page costs.

    Shopify does not document the curve ("by page size"); the one published measurement is 25 points for
    `product{variants(first: 250){nodes{inventoryItem{id}}}}`, which 2 ln(size) meets and a linear rule misses
    by a factor of twenty.
    """
    return max(1, round(2 * math.log(size))) if size > 1 else size


@dataclass
class QueryCost:
    """Counts the points of an operation: objects 1, mutations 10, connections 2 and their nodes by page size."""

    schema: GraphQLSchema
    document: DocumentNode
    operation: OperationDefinitionNode
    variables: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Collect the fragments."""
        self.fragments = {
            node.name.value: node for node in self.document.definitions if isinstance(node, FragmentDefinitionNode)
        }

    def requested(self) -> int:
        """Count before the run: every page full."""
        return self._roots(None)

    def actual(self, data: Mapping[str, Any] | None) -> int:
        """Count after the run, by what came back."""
        return self._roots(data or {})

    def _roots(self, data: Mapping[str, Any] | None) -> int:
        mutation = self.operation.operation is OperationType.MUTATION
        kind = self.schema.mutation_type if mutation else self.schema.query_type
        if not isinstance(kind, GraphQLObjectType):  # pragma: no cover - our schema has both
            return 0
        total = 0.0
        for field in self._fields(self.operation.selection_set):
            if mutation:
                value = None if data is None else data.get(_key(field), {})
                payload = get_named_type(kind.fields[field.name.value].type)
                total += 10 + self._selection(field.selection_set, payload, value)
            else:
                total += self._field(field, kind, data)
        return math.ceil(total)

    def _fields(self, selections: SelectionSetNode | None) -> list[FieldNode]:
        found: list[FieldNode] = []
        for node in selections.selections if selections else ():
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                found.append(node)
            elif isinstance(node, InlineFragmentNode):
                found += self._fields(node.selection_set)
            elif isinstance(node, FragmentSpreadNode):
                found += self._fields(self.fragments[node.name.value].selection_set)
        return found

    def _included(self, node: SelectionNode) -> bool:
        """Say whether @include and @skip leave a part in: what they leave out costs nothing."""
        for directive in node.directives:
            given = directive.arguments[0].value if directive.arguments else None
            value = self.variables.get(given.name.value) if isinstance(given, VariableNode) else given
            said = value.value if isinstance(value, BooleanValueNode) else bool(value)
            if said != {"include": True, "skip": False}.get(directive.name.value, said):
                return False
        return True

    def _selection(self, selections: SelectionSetNode | None, kind: Any, data: Any) -> float:  # noqa: ANN401 - JSON
        return sum(self._field(field, kind, data) for field in self._fields(selections))

    def _field(self, field: FieldNode, parent: Any, data: Any) -> float:  # noqa: ANN401 - JSON
        name = field.name.value
        if name.startswith("__") or not hasattr(parent, "fields") or name not in parent.fields:
            return 0
        declared = parent.fields[name].type
        kind = get_named_type(declared)
        if not is_composite_type(kind) or kind.name == "PageInfo" or name in ("userErrors", "orderCancelUserErrors"):
            return 0
        asked = data is None
        value = None if asked else (data or {}).get(_key(field))
        if kind.name.endswith("Connection"):
            nodes = None if asked or value is None else value.get("nodes", [])
            node_field = next((f for f in self._fields(field.selection_set) if f.name.value == "nodes"), None)
            if node_field is None:
                return 2
            return 2 + self._many(node_field.selection_set, get_named_type(kind.fields["nodes"].type), field, nodes)
        if isinstance(get_nullable_type(declared), GraphQLList):
            return self._many(field.selection_set, kind, field, None if asked else value or [])
        return 1 + (self._selection(field.selection_set, kind, None if asked else value) if asked or value else 0)

    def _many(self, selections: SelectionSetNode | None, kind: Any, field: FieldNode, nodes: Any) -> float:  # noqa: ANN401
        if nodes is None:
            return page_weight(self._page_size(field)) * (1 + self._selection(selections, kind, None))
        if not nodes:
            return 0
        each = sum(1 + self._selection(selections, kind, node) for node in nodes) / len(nodes)
        return page_weight(len(nodes)) * each

    def _page_size(self, field: FieldNode) -> int:
        for argument in field.arguments:
            if argument.name.value in ("first", "last"):
                if isinstance(argument.value, IntValueNode):
                    return int(argument.value.value)
                if isinstance(argument.value, VariableNode):
                    value = self.variables.get(argument.value.name.value)
                    return value if isinstance(value, int) else 1
        return 1


def _key(field: FieldNode) -> str:
    return field.alias.value if field.alias else field.name.value


class CostBucket:
    """The leaking bucket of one app at one shop."""

    def __init__(self, maximum: int, rate: int, now: Callable[[], dt.datetime]) -> None:
        """Start full."""
        self.maximum, self.rate = maximum, rate
        self._now = now
        self._level = float(maximum)
        self._at = now()

    def refill(self) -> float:
        """Bring the level up to now and give it."""
        now = self._now()
        self._level = min(self.maximum, self._level + max(0.0, (now - self._at).total_seconds()) * self.rate)
        self._at = now
        return self._level

    def take(self, points: int) -> bool:
        """Take points when they are there."""
        if self.refill() < points:
            return False
        self._level -= points
        return True

    def give_back(self, points: int) -> None:
        """Give back what was asked for and not used."""
        self._level = min(self.maximum, self._level + points)

    def empty(self) -> None:
        """Spend everything, as another client of the same app would."""
        self.refill()
        self._level = 0.0

    def status(self) -> dict[str, Any]:
        """Write `throttleStatus`."""
        return {
            "maximumAvailable": float(self.maximum),
            "currentlyAvailable": int(self.refill()),
            "restoreRate": float(self.rate),
        }


# -- pages ----------------------------------------


def page[T](
    items: Sequence[T],
    arguments: Mapping[str, Any],
    *,
    key: Callable[[T], tuple[str, int]],
    view: Callable[[T], dict[str, Any]],
    ordered: bool = False,
) -> dict[str, Any]:
    """Cut a page by key, so that what changed meanwhile moves in the list as it does at Shopify.

    `key` gives the sort value and the id; `ordered` says that items already come in its order.
    """
    first = arguments.get("first")
    if first is None:
        message = "you must provide one of first or last"
        raise ShopifyError(message, "BAD_REQUEST")
    if first < 0 or first > MAX_PAGE:
        message = f"The first argument must be between 0 and {MAX_PAGE}, got {first}"
        raise ShopifyError(message, "MAX_INPUT_SIZE_EXCEEDED" if first > MAX_PAGE else "BAD_REQUEST")
    rows = items if ordered else sorted(items, key=key)
    if arguments.get("reverse"):
        rows = list(reversed(rows))
    start = 0
    if arguments.get("after") is not None:
        after = _read_cursor(arguments["after"])
        if arguments.get("reverse"):
            start = next((i for i, item in enumerate(rows) if key(item) < after), len(rows))
        else:
            start = bisect.bisect_right(rows, after, key=key)
    chosen = rows[start : start + first]
    return {
        "nodes": [view(item) for item in chosen],
        "pageInfo": {
            "hasNextPage": start + first < len(rows),
            "hasPreviousPage": start > 0,
            "startCursor": _write_cursor(key(chosen[0])) if chosen else None,
            "endCursor": _write_cursor(key(chosen[-1])) if chosen else None,
        },
    }


def _write_cursor(key: tuple[str, int]) -> str:
    return base64.b64encode(json.dumps({"last_id": key[1], "last_value": key[0]}).encode()).decode()


def _read_cursor(cursor: str) -> tuple[str, int]:
    try:
        place = json.loads(base64.b64decode(cursor, validate=True))
        return str(place["last_value"]), int(place["last_id"])
    except (ValueError, KeyError, TypeError):
        message = "Invalid cursor for current pagination sort."
        raise ShopifyError(message, "BAD_REQUEST") from None


# -- search ----------------------------------------

_TERM = re.compile(
    r"""(?P<field>\w+):(?P<comparison>[<>]=?)?(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>\S+))"""
)


@dataclass(frozen=True)
class Term:
    """One `field:value` of a search; `quoted` means the words stand together."""

    field: str
    comparison: str
    value: str
    quoted: bool

    def matches_time(self, moment: dt.datetime) -> bool:
        """Compare a time; what is no time is not compared, as at Shopify."""
        try:
            wanted = dt.datetime.fromisoformat(self.value)
        except ValueError:
            return True
        wanted = wanted if wanted.tzinfo else wanted.replace(tzinfo=dt.UTC)
        moment = moment.replace(microsecond=0)  # the API's times have no fractions
        return {
            "<": moment < wanted,
            "<=": moment <= wanted,
            ">": moment > wanted,
            ">=": moment >= wanted,
        }.get(self.comparison, moment == wanted)

    def matches_number(self, number: int) -> bool:
        """Compare an id."""
        if not self.value.isdecimal():
            return False
        wanted = int(self.value)
        return {"<": number < wanted, "<=": number <= wanted, ">": number > wanted, ">=": number >= wanted}.get(
            self.comparison, number == wanted
        )


def search_terms(query: str | None) -> list[Term]:
    """Read a search; terms stand side by side or with AND."""
    return [
        Term(
            match["field"],
            match["comparison"] or "",
            next(value for value in (match["double"], match["single"], match["bare"]) if value is not None),
            match["bare"] is None,
        )
        for match in _TERM.finditer(query or "")
    ]


def directive_argument(field: FieldNode, directive: str, argument: str, variables: Mapping[str, Any]) -> str | None:
    """Read a directive's text argument at a field; None when the directive is not there."""
    for node in field.directives:
        if node.name.value == directive:
            for given in node.arguments:
                if given.name.value == argument:
                    if isinstance(given.value, VariableNode):
                        return str(variables.get(given.value.name.value, ""))
                    return given.value.value if isinstance(given.value, StringValueNode) else ""
    return None
