"""The JSON of rules: what the console takes and gives, and what is stored. The one definition of it.

Everything that can be said of a rule without looking at the others is refused here, with the path to it: an unknown
field, an operator that does not go with it, a blank or wrong value. What is wrong with a whole set (rules that are
never reached, or that contradict) is `domain.rule_review`'s.
"""

from __future__ import annotations

import difflib
import re
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    StringConstraints,
    Tag,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from jetbridge.domain.rule_fields import FIELDS, OPERATORS, Kind
from jetbridge.domain.rules import (
    Action,
    AddNote,
    AddTag,
    AllOf,
    AnyLine,
    AnyOf,
    Comparison,
    Condition,
    EveryLine,
    Exclude,
    Forward,
    HoldOrder,
    Money,
    NoLine,
    Not,
    Notify,
    Operator,
    RelativeTime,
    RemoveTag,
    Rule,
    SetLocation,
    SetShipOption,
    Split,
    Trigger,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MOST_RULES = 500
MOST_CONDITIONS = 100
"""In one `all` or `any`."""
MOST_VALUES = 500
DEEPEST = 12
"""Conditions inside conditions."""
LARGEST = 200_000
"""Characters of a whole rule set as JSON: what one item of a table holds, with room to spare."""
LONGEST_HOLD_HOURS = 24 * 366
MOST_DAYS = 3660


def _refusal(*, because: str) -> PydanticCustomError:
    """Make an error of ours. The texts hold names that are ours, never a value that was given."""
    return PydanticCustomError("rule", "{because}", {"because": because})


def _not_blank(text: str) -> str:
    if not text.strip():
        raise _refusal(because="must not be blank")
    return text


SPEAKS = AfterValidator(_not_blank), Field(json_schema_extra={"minLength": 1, "pattern": r"\S"})

Name = Annotated[str, StringConstraints(max_length=100), *SPEAKS]
Text = Annotated[str, StringConstraints(max_length=500), *SPEAKS]
Message = Annotated[str, StringConstraints(max_length=1000), *SPEAKS]
Said = Annotated[str, StringConstraints(max_length=500)]


class _Part(BaseModel):
    """Nothing but what is named, and nothing that is nearly it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_by_name=False, validate_by_alias=True)


# -- values -----------------------------------------------------------------------------------------------------------


def _as_number(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)


Number = Annotated[
    Decimal,
    Field(max_digits=15, decimal_places=6, allow_inf_nan=False, strict=False),
    PlainSerializer(_as_number),
    WithJsonSchema({"type": "number", "description": "A bare number: no unit, no currency. Weights are grams."}),
]


class MoneyDocument(_Part):
    """An amount in one currency. An order in another currency never meets it."""

    amount: Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$")]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$"), AfterValidator(str.upper)]


class RelativeDocument(_Part):
    """A moment as seen from now, back if negative: days on the calendar of the store's time zone, then hours."""

    days: Annotated[int, Field(ge=-MOST_DAYS, le=MOST_DAYS)] = 0
    hours: Annotated[int, Field(ge=-MOST_DAYS * 24, le=MOST_DAYS * 24)] = 0

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise _refusal(because='must say days or hours: {"days": -3}')
        return self


MomentText = Annotated[
    str,
    StringConstraints(max_length=40),
    WithJsonSchema(
        {
            "type": "string",
            "anyOf": [{"format": "date"}, {"format": "date-time"}, {"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d"}],
            "description": "2026-12-01 is the whole day, 2026-12-01T09:00 a moment; both in the store's time zone "
            "unless an offset says otherwise.",
        }
    ),
]


def _kind_of_value(given: object) -> str:  # noqa: PLR0911 - one return a kind of JSON
    match given:
        case bool():
            return "(yes or no)"
        case int() | float() | Decimal():
            return "(number)"
        case str():
            return "(text)"
        case list() | tuple():
            return "(list)"
        case MoneyDocument():
            return "(money)"
        case RangeDocument():
            return "(range)"
        case RelativeDocument():
            return "(relative)"
        case dict() if given.keys() & {"from", "to"}:
            return "(range)"
        case dict() if given.keys() & {"amount", "currency"}:
            return "(money)"
        case _:
            return "(relative)"


EndOfRange = Annotated[
    Annotated[Number, Tag("(number)")]
    | Annotated[MoneyDocument, Tag("(money)")]
    | Annotated[MomentText, Tag("(text)")]
    | Annotated[RelativeDocument, Tag("(relative)")],
    Discriminator(_kind_of_value),
]


class RangeDocument(_Part):
    """Between two values, both inside."""

    from_: Annotated[EndOfRange, Field(alias="from")]
    to: EndOfRange


ValueDocument = Annotated[
    Annotated[bool, Tag("(yes or no)")]
    | Annotated[Number, Tag("(number)")]
    | Annotated[Text, Tag("(text)")]
    | Annotated[list[Text], Tag("(list)"), Field(min_length=1, max_length=MOST_VALUES)]
    | Annotated[MoneyDocument, Tag("(money)")]
    | Annotated[RelativeDocument, Tag("(relative)")]
    | Annotated[RangeDocument, Tag("(range)")],
    Discriminator(_kind_of_value),
]

WITHOUT_VALUE = frozenset({Operator.IS_BLANK, Operator.IS_NOT_BLANK})
WITH_LIST = frozenset(
    {Operator.IS_ONE_OF, Operator.IS_NONE_OF, Operator.INCLUDES_ANY, Operator.INCLUDES_ALL, Operator.INCLUDES_NONE}
)
WANTED: Mapping[Kind, str] = {
    Kind.TEXT: "a text",
    Kind.TAGS: "a text",
    Kind.NUMBER: "a bare number",
    Kind.WEIGHT: "a bare number of grams",
    Kind.MONEY: 'an amount with its currency: {"amount": "150.00", "currency": "USD"}',
    Kind.DATE: 'a date, a date with time, or a time from now: "2026-12-01", {"days": -3}',
    Kind.YES_NO: "true or false",
}


def _one(given: object, kind: Kind) -> Any:  # noqa: ANN401 - one of Value's
    """Give one value as the domain has it."""
    match kind, given:
        case (Kind.TEXT | Kind.TAGS, str()):
            return given
        case (Kind.NUMBER | Kind.WEIGHT, Decimal()):
            return given
        case (Kind.YES_NO, bool()):
            return given
        case (Kind.MONEY, MoneyDocument(amount=amount, currency=currency)):
            return Money(Decimal(amount), currency.upper())
        case (Kind.DATE, RelativeDocument(days=days, hours=hours)):
            return RelativeTime(days, hours)
        case (Kind.DATE, str()):
            return _moment(given)
        case _:
            pass
    raise _refusal(because=f"must be {WANTED[kind]}")


_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)


def _moment(text: str) -> date | datetime:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise _refusal(because="must be a date there is: 2026-12-01, or with a time 2026-12-01T09:00")


def _value_of(given: object, operator: Operator, kind: Kind) -> Value:
    """Give a comparison's value as the domain has it, or say why it is none."""
    if operator in WITHOUT_VALUE:
        if given is not None:
            raise _refusal(because=f"must be left out: {operator} has none")
        return None
    if given is None:
        raise _refusal(because=f"is missing: {operator} needs {_needed(operator, kind)}")
    if operator in WITH_LIST:
        if not isinstance(given, list):
            raise _refusal(because=f"must be {_needed(operator, kind)}")
        return tuple(_one(each, kind) for each in given)
    if operator is not Operator.BETWEEN:
        found: Value = _one(given, kind)
        if operator is Operator.ON and isinstance(found, datetime):
            raise _refusal(because="must be a day without a time")
        return found
    if not isinstance(given, RangeDocument):
        raise _refusal(because=f"must be {_needed(operator, kind)}")
    ends: Any = (_one(given.from_, kind), _one(given.to, kind))
    if kind is Kind.MONEY and ends[0].currency != ends[1].currency:
        raise _refusal(because="must have one currency")
    return ends  # type: ignore[no-any-return]  # both of the field's kind


def _needed(operator: Operator, kind: Kind) -> str:
    if operator in WITH_LIST:
        return 'a list of texts: ["US", "CA"]'
    if operator is Operator.BETWEEN:
        return f'{{"from": …, "to": …}}, each {WANTED[kind]}'
    return WANTED[kind]


# -- conditions -------------------------------------------------------------------------------------------------------


ORDER_FIELDS = [name for name, field in FIELDS.items() if not field.of_line]
LINE_FIELDS = [name for name, field in FIELDS.items() if field.of_line]


def _order_field(name: str) -> str:
    if name in LINE_FIELDS:
        text = f"{name} speaks of a line: it stands inside any_line, every_line, no_line or a split only"
        raise _refusal(because=text)
    return _among(ORDER_FIELDS, name)


def _line_field(name: str) -> str:
    if name in ORDER_FIELDS:
        raise _refusal(because=f"{name} speaks of the order, not of a line")
    return _among(LINE_FIELDS, name)


def _among(names: list[str], name: str) -> str:
    if name not in names:
        raise _refusal(because=f"is no field there is{_hint(name, names)}")
    return name


def _hint(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name[:100], list(names), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _names_in_schema(names: list[str]) -> WithJsonSchema:
    meant = "; ".join(f"{name}: {FIELDS[name].meaning}" for name in names)
    return WithJsonSchema({"type": "string", "enum": names, "description": meant})


OrderField = Annotated[str, AfterValidator(_order_field), _names_in_schema(ORDER_FIELDS)]
LineField = Annotated[str, AfterValidator(_line_field), _names_in_schema(LINE_FIELDS)]


class _ComparisonDocument(_Part):
    field: str  # first: the others are checked against it
    operator: Annotated[Operator, Field(strict=False)]
    key: Annotated[
        str, StringConstraints(max_length=255), Field(description="Which attribute or property.", validate_default=True)
    ] = ""
    match_case: Annotated[bool, Field(description="Whether case and spaces count; for texts.")] = False
    value: Annotated[ValueDocument | None, Field(validate_default=True)] = None

    @field_validator("operator", mode="before")
    @classmethod
    def _known_operator(cls, given: object) -> object:
        if not isinstance(given, str) or given not in set(Operator):
            raise _refusal(because="is no operator there is" + _hint(str(given), Operator))
        return given

    @field_validator("operator")
    @classmethod
    def _operator_of_field(cls, operator: Operator, info: ValidationInfo) -> Operator:
        if name := info.data.get("field"):
            kind = FIELDS[name].kind
            if operator not in OPERATORS[kind]:
                text = f"{operator} does not go with {name}, a field of {_words(kind)}: {', '.join(OPERATORS[kind])} do"
                raise _refusal(because=text)
        return operator

    @field_validator("key")
    @classmethod
    def _key_of_field(cls, key: str, info: ValidationInfo) -> str:
        if name := info.data.get("field"):
            if FIELDS[name].keyed and not key.strip():
                raise _refusal(because=f"must say which {name} is meant")
            if key and not FIELDS[name].keyed:
                raise _refusal(because=f"must be left out: there is only one {name}")
        return key

    @field_validator("match_case")
    @classmethod
    def _case_of_text(cls, match_case: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's
        name = info.data.get("field")
        if match_case and name and FIELDS[name].kind not in {Kind.TEXT, Kind.TAGS}:
            raise _refusal(because=f"goes with texts only, and {name} is none")
        return match_case

    @field_validator("value")
    @classmethod
    def _value_of_field(cls, given: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - any of ValueDocument's
        if "field" in info.data and "operator" in info.data:
            _value_of(given, info.data["operator"], FIELDS[info.data["field"]].kind)
        return given


def _words(kind: Kind) -> str:
    return {Kind.YES_NO: "yes or no"}.get(kind, kind.value)


class OrderComparison(_ComparisonDocument):
    """One field of the order, one operator, one value. Texts are compared without case and with folded spaces."""

    field: OrderField


class LineComparison(_ComparisonDocument):
    """One field of a line, one operator, one value. Texts are compared without case and with folded spaces."""

    field: LineField


SHAPES = ("all", "any", "not", "any_line", "every_line", "no_line")
"""Words of which a condition has exactly one, unless it is a comparison."""

COMPARISON = "(comparison)"


def _shape_of(given: object) -> str:
    """Tell a condition by its shape."""
    if isinstance(given, _Part):
        return next((f"({word})" for word in SHAPES if word in _aliases(type(given))), COMPARISON)
    if isinstance(given, dict):
        return next((f"({word})" for word in SHAPES if word in given), COMPARISON)
    return ""


def _aliases(document: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in document.model_fields.items()}


def _by_shape(words: Sequence[str]) -> Discriminator:
    """Choose among the documents of these words, and say what there is to choose from."""

    def shape(given: object) -> str | None:
        found = _shape_of(given)
        return found if found in {COMPARISON, *(f"({word})" for word in words)} else None

    text = f"must be a condition: field, operator and value, or one of {', '.join(words)}"
    return Discriminator(shape, custom_error_type="no_condition", custom_error_message=text)


Several = Field(min_length=1, max_length=MOST_CONDITIONS)

OrderCondition = Annotated[
    Annotated[OrderComparison, Tag(COMPARISON)]
    | Annotated["OrderAllOf", Tag("(all)")]
    | Annotated["OrderAnyOf", Tag("(any)")]
    | Annotated["OrderNot", Tag("(not)")]
    | Annotated["AnyLineDocument", Tag("(any_line)")]
    | Annotated["EveryLineDocument", Tag("(every_line)")]
    | Annotated["NoLineDocument", Tag("(no_line)")],
    _by_shape(SHAPES),
]

LineCondition = Annotated[
    Annotated[LineComparison, Tag(COMPARISON)]
    | Annotated["LineAllOf", Tag("(all)")]
    | Annotated["LineAnyOf", Tag("(any)")]
    | Annotated["LineNot", Tag("(not)")],
    _by_shape(SHAPES[:3]),
]


class OrderAllOf(_Part):
    """Every condition holds."""

    conditions: Annotated[list[OrderCondition], Several, Field(alias="all")]


class OrderAnyOf(_Part):
    """At least one condition holds."""

    conditions: Annotated[list[OrderCondition], Several, Field(alias="any")]


class OrderNot(_Part):
    """The condition does not hold."""

    condition: Annotated[OrderCondition, Field(alias="not")]


class AnyLineDocument(_Part):
    """At least one line of the order meets the condition. A line counts while units of it are left."""

    condition: Annotated[LineCondition, Field(alias="any_line")]


class EveryLineDocument(_Part):
    """Every line of the order meets the condition, and there is one."""

    condition: Annotated[LineCondition, Field(alias="every_line")]


class NoLineDocument(_Part):
    """No line of the order meets the condition."""

    condition: Annotated[LineCondition, Field(alias="no_line")]


class LineAllOf(_Part):
    """Every condition holds of the line."""

    conditions: Annotated[list[LineCondition], Several, Field(alias="all")]


class LineAnyOf(_Part):
    """At least one condition holds of the line."""

    conditions: Annotated[list[LineCondition], Several, Field(alias="any")]


class LineNot(_Part):
    """The condition does not hold of the line."""

    condition: Annotated[LineCondition, Field(alias="not")]


RECURSIVE: tuple[type[BaseModel], ...] = (
    *(OrderAllOf, OrderAnyOf, OrderNot, LineAllOf, LineAnyOf, LineNot),
    *(AnyLineDocument, EveryLineDocument, NoLineDocument),
)
for _document in RECURSIVE:
    _document.model_rebuild()  # each names one that is defined after it


def _condition(document: _Part) -> Condition:  # noqa: PLR0911 - one return a kind of condition
    match document:
        case OrderAllOf() | LineAllOf():
            return AllOf(tuple(map(_condition, document.conditions)))
        case OrderAnyOf() | LineAnyOf():
            return AnyOf(tuple(map(_condition, document.conditions)))
        case OrderNot() | LineNot():
            return Not(_condition(document.condition))
        case AnyLineDocument():
            return AnyLine(_condition(document.condition))
        case EveryLineDocument():
            return EveryLine(_condition(document.condition))
        case NoLineDocument():
            return NoLine(_condition(document.condition))
        case OrderComparison() | LineComparison():
            value = _value_of(document.value, document.operator, FIELDS[document.field].kind)
            return Comparison(document.field, document.operator, value, document.key, document.match_case)
        case _:
            raise NotImplementedError(type(document).__name__)


# -- actions ----------------------------------------------------------------------------------------------------------


class ForwardDocument(_Part):
    """Send the order to Jetpack."""

    action: Literal["forward"]


class ExcludeDocument(_Part):
    """Leave the order to somebody else."""

    action: Literal["exclude"]
    reason: Said = ""


Hours = Annotated[int, Field(ge=1, le=LONGEST_HOLD_HOURS, description="After the order was placed.")]


class _Ending(_Part):
    reason: Said = ""
    until: Annotated[MomentText | None, Field(description="A day means its beginning.")] = None
    for_hours: Hours | None = None

    @field_validator("until")
    @classmethod
    def _a_moment(cls, until: str | None) -> str | None:
        if until is not None:
            _moment(until)
        return until

    @field_validator("for_hours")
    @classmethod
    def _one_end(cls, for_hours: int | None, info: ValidationInfo) -> int | None:
        if for_hours is not None and info.data.get("until") is not None:
            raise _refusal(because="must be left out where until says when it ends")
        return for_hours

    def end(self) -> dict[str, Any]:
        """Say why and until when, as the domain has it."""
        until = None if self.until is None else _moment(self.until)
        return {"reason": self.reason, "until": until, "for_hours": self.for_hours}


class HoldDocument(_Ending):
    """Hold the order: until a moment, for some hours, or until the rule changes. After that the rule does nothing."""

    action: Literal["hold"]


class SplitDocument(_Ending):
    """Of an order that is forwarded, send the lines that meet the condition now and hold the rest."""

    action: Literal["split"]
    now: LineCondition


class SetShipOptionDocument(_Part):
    """Ship by this option of Jetpack's, whatever the mapping says."""

    action: Literal["set_ship_option"]
    ship_option: Text


class SetLocationDocument(_Part):
    """Ship from this fulfillment center of Jetpack's (its id)."""

    action: Literal["set_location"]
    location: Text


def _no_comma(tag: str) -> str:
    if "," in tag:
        raise _refusal(because="must not have a comma: Shopify would make two tags of it")
    return tag


ShopifyTag = Annotated[
    str, StringConstraints(max_length=255), AfterValidator(_not_blank), AfterValidator(_no_comma), Field(min_length=1)
]


class AddTagDocument(_Part):
    """Put a tag on the Shopify order."""

    action: Literal["add_tag"]
    tag: ShopifyTag


class RemoveTagDocument(_Part):
    """Take a tag off the Shopify order."""

    action: Literal["remove_tag"]
    tag: ShopifyTag


class AddNoteDocument(_Part):
    """Add a line to the Shopify order's note, once."""

    action: Literal["add_note"]
    note: Message


class NotifyDocument(_Part):
    """Tell the people of the store, once an order and rule."""

    action: Literal["notify"]
    message: Message


ActionDocument = Annotated[
    ForwardDocument
    | ExcludeDocument
    | HoldDocument
    | SplitDocument
    | SetShipOptionDocument
    | SetLocationDocument
    | AddTagDocument
    | RemoveTagDocument
    | AddNoteDocument
    | NotifyDocument,
    Field(discriminator="action"),
]


def _action(document: _Part) -> Action:  # noqa: C901, PLR0911 - one case a kind of action
    match document:
        case ForwardDocument():
            return Forward()
        case ExcludeDocument():
            return Exclude(document.reason)
        case HoldDocument():
            return HoldOrder(**document.end())
        case SplitDocument():
            return Split(_condition(document.now), **document.end())
        case SetShipOptionDocument():
            return SetShipOption(document.ship_option)
        case SetLocationDocument():
            return SetLocation(document.location)
        case AddTagDocument():
            return AddTag(document.tag)
        case RemoveTagDocument():
            return RemoveTag(document.tag)
        case AddNoteDocument():
            return AddNote(document.note)
        case NotifyDocument():
            return Notify(document.message)
        case _:
            raise NotImplementedError(type(document).__name__)


# -- rules ------------------------------------------------------------------------------------------------------------


class RuleDocument(_Part):
    """One rule. Without `when` it matches every order."""

    name: Name
    active: bool = True
    stop: Annotated[bool, Field(description="Whether the rules behind it are not asked about an order it matches.")] = (
        False
    )
    trigger: Annotated[Trigger, Field(strict=False)] = Trigger.ORDER_IMPORTED
    when: OrderCondition | None = None
    then: Annotated[list[ActionDocument], Field(max_length=20)]

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.then and not self.stop:
            raise _refusal(because="must do something: an action in then, or stop")
        return self

    def to_rule(self) -> Rule:
        """Give the rule as the domain has it."""
        when = _condition(self.when) if self.when else None
        return Rule(self.name, tuple(map(_action, self.then)), when, self.trigger, self.active, self.stop)


class RuleSetDocument(_Part):
    """The rules of a store in their order. Later ones override earlier ones, until one that stops."""

    rules: Annotated[list[RuleDocument], Field(max_length=MOST_RULES)]

    @model_validator(mode="before")
    @classmethod
    def _of_bearable_size(cls, given: object) -> object:
        """Look how deep and large it is before anything walks through it by calling itself."""
        size, waiting = 0, [(given, 0)]
        while waiting:
            part, depth = waiting.pop()
            size += len(part) if isinstance(part, str) else 8
            if size > LARGEST:
                raise _refusal(because=f"the rules are larger than {LARGEST:,} characters in all")
            # Objects around the first condition: the set, a rule, a split. In the last: a range, an amount.
            if depth > 3 + DEEPEST + 2:
                raise _refusal(because=f"conditions stand inside one another more than {DEEPEST} deep")
            if isinstance(part, dict):
                size += sum(len(key) for key in part if isinstance(key, str))
                waiting += [(each, depth + 1) for each in part.values()]
            elif isinstance(part, list | tuple):
                waiting += [(each, depth) for each in part]
        return given

    def to_rules(self) -> tuple[Rule, ...]:
        """Give the rules as the domain has them."""
        return tuple(rule.to_rule() for rule in self.rules)

    @classmethod
    def from_rules(cls, rules: Iterable[Rule]) -> Self:
        """Make the document of rules.

        Raises:
            ValidationError: They could not have been saved.
        """
        return cls.model_validate({"rules": [_rule_json(rule) for rule in rules]})

    def as_json(self) -> dict[str, Any]:
        """Give the document as plain JSON data; what is as if it were not there is left out."""
        return {"rules": [_rule_json(rule) for rule in self.to_rules()]}


RULES_SCHEMA: dict[str, Any] = RuleSetDocument.model_json_schema(by_alias=True)
"""The JSON Schema of a rule set. What it cannot say (a value that goes with its field) is checked all the same."""


def _rule_json(rule: Rule) -> dict[str, Any]:
    made: dict[str, Any] = {"name": rule.name, "active": rule.active, "stop": rule.stop, "trigger": rule.trigger.value}
    if rule.when is not None:
        made["when"] = _condition_json(rule.when)
    return {**made, "then": [_action_json(action) for action in rule.then]}


def _condition_json(condition: Condition) -> dict[str, Any]:  # noqa: C901, PLR0911 - one return a kind of condition
    match condition:
        case AllOf(conditions):
            return {"all": [_condition_json(each) for each in conditions]}
        case AnyOf(conditions):
            return {"any": [_condition_json(each) for each in conditions]}
        case Not(inner):
            return {"not": _condition_json(inner)}
        case AnyLine(inner):
            return {"any_line": _condition_json(inner)}
        case EveryLine(inner):
            return {"every_line": _condition_json(inner)}
        case NoLine(inner):
            return {"no_line": _condition_json(inner)}
        case Comparison():
            made: dict[str, Any] = {"field": condition.field}
            if condition.key:
                made["key"] = condition.key
            made["operator"] = condition.operator.value
            if condition.value is not None:
                made["value"] = _value_json(condition.value, condition.operator)
            if condition.match_case:
                made["match_case"] = True
            return made


def _value_json(value: Value, operator: Operator) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, tuple):
        if operator is Operator.BETWEEN:
            return {"from": _one_json(value[0]), "to": _one_json(value[1])}
        return [_one_json(each) for each in value]
    return _one_json(value)


def _one_json(value: object) -> Any:  # noqa: ANN401 - JSON
    match value:
        case Decimal():
            return _as_number(value)
        case Money(amount, currency):
            return {"amount": f"{amount:f}", "currency": currency}
        case RelativeTime(days, hours):
            return {"days": days} | ({"hours": hours} if hours else {})
        case datetime() | date():
            return value.isoformat()
        case _:
            return value


def _action_json(action: Action) -> dict[str, Any]:  # noqa: C901, PLR0911 - one case a kind of action
    match action:
        case Forward():
            return {"action": "forward"}
        case Exclude(reason):
            return {"action": "exclude"} | ({"reason": reason} if reason else {})
        case HoldOrder():
            return {"action": "hold"} | _end_json(action)
        case Split(now):
            return {"action": "split", "now": _condition_json(now)} | _end_json(action)
        case SetShipOption(ship_option):
            return {"action": "set_ship_option", "ship_option": ship_option}
        case SetLocation(location):
            return {"action": "set_location", "location": location}
        case AddTag(tag):
            return {"action": "add_tag", "tag": tag}
        case RemoveTag(tag):
            return {"action": "remove_tag", "tag": tag}
        case AddNote(note):
            return {"action": "add_note", "note": note}
        case Notify(message):
            return {"action": "notify", "message": message}


def _end_json(action: HoldOrder | Split) -> dict[str, Any]:
    made: dict[str, Any] = {"reason": action.reason} if action.reason else {}
    if action.until is not None:
        made["until"] = action.until.isoformat()
    if action.for_hours is not None:
        made["for_hours"] = action.for_hours
    return made


# -- what is wrong, in words ------------------------------------------------------------------------------------------

IN_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is nothing that is known here",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "list_type": "must be a list",
    "int_type": "must be a whole number",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "union_tag_not_found": "must say which action it is, in action",
    "recursion_loop": "goes round in a circle",
    "finite_number": "must be a number that is finite",
    "decimal_max_digits": "has more than 15 digits",
    "decimal_max_places": "has more than 6 decimals",
    "decimal_whole_digits": "has more than 15 digits",
    "dict_type": "must be an object",
    "json_invalid": "is not JSON",
    "too_short": "must not be empty",
    "string_pattern_mismatch": 'must be written like "150.00" (an amount) or "USD" (a currency)',
    "decimal_parsing": "must be a bare number",
    "decimal_type": "must be a bare number",
}
"""pydantic's kinds of error in our words; the rest of its own words quote nothing that was given."""

ACTIONS = [each.model_fields["action"].annotation.__args__[0] for each in get_args(get_args(ActionDocument)[0])]
"""Their names, which are shapes to pydantic, too, and no field of any document."""

LONGEST_STEP = 60


def problems(error: ValidationError) -> list[tuple[str, str]]:
    """Say what is wrong with a document: where (`rules[2].when.all[0].value`), and in plain words.

    No value that was given is quoted: it may be long, or somebody's.
    """
    found = []
    for each in error.errors(include_url=False, include_input=False):
        kind, text = each["type"], IN_WORDS.get(each["type"])
        if kind == "union_tag_invalid":
            text = f"must be one of {', '.join(ACTIONS)}"
        elif kind in {"enum", "literal_error"}:
            text = f"must be {each['ctx']['expected']}"
        found.append((path_of(each["loc"]), text or _decapitalized(each["msg"])))
    return found


def path_of(place: Sequence[str | int]) -> str:
    """Write pydantic's place as people write paths. What stands in brackets there is a shape, and part of no path."""
    path = ""
    for step in place:
        if isinstance(step, int):
            path += f"[{step}]"
        elif not (step.startswith("(") or step in ACTIONS):
            path += ("." if path else "") + step[:LONGEST_STEP]
    return path


def _decapitalized(text: str) -> str:
    return text[:1].lower() + text[1:]
