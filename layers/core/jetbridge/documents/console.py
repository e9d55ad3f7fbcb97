"""What the console takes and gives. The answers are made from the values of the domain by their attributes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from jetbridge.documents.orders import OrderDocument
from jetbridge.documents.rules import RuleSetDocument
from jetbridge.domain.changes import Wish
from jetbridge.domain.connection import Severity, Trouble
from jetbridge.domain.record import Status, UnitState
from jetbridge.domain.replay import JobState
from jetbridge.domain.rule_fields import Kind, Source
from jetbridge.domain.rules import Operator, Outcome
from jetbridge.domain.store import OutOfStock, Route

Text = Annotated[str, Field(min_length=1, max_length=200)]
Version = Annotated[int, Field(ge=0, le=1_000_000_000)]
RulesVersion = Annotated[int, Field(ge=1, le=1_000_000_000)]
type Sorted[T] = Annotated[list[T], BeforeValidator(sorted)]
Groups = Annotated[dict[str, int], BeforeValidator(dict)]
"""Group → orders in it."""
Secret = Annotated[str, Field(min_length=1, max_length=4096)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]


class Asked(BaseModel):
    """Something that is sent to us: nothing in it is guessed, a field nobody knows is refused."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Given(BaseModel):
    """Something that we answer."""

    model_config = ConfigDict(from_attributes=True)


# -- what goes wrong --------------------------------------------------------------------------------------------------


class Problem(Given):
    """One place of the request and what is wrong there."""

    path: str
    """rules[2].when.all[0]; empty for the whole."""
    text: str


class RefusalAnswer(Given):
    """Why the console did not do what it was asked."""

    error: str
    """In a word."""
    message: str
    """In plain words, with what to do."""
    problems: list[Problem] = []


# -- stores -----------------------------------------------------------------------------------------------------------


class ShopifyCredentials(Asked):
    """Of the app: id and secret, or an access token and the secret."""

    client_id: Secret | None = None
    client_secret: Secret | None = None
    access_token: Secret | None = None


class JetpackCredentials(Asked):
    """A token of the account."""

    token: Secret


class ShipStationCredentials(Asked):
    """Key and secret of the V1 API."""

    api_key: Secret
    api_secret: Secret


class Credentials(Asked):
    """What is shown to the partners. Only ever written, never shown again."""

    shopify: ShopifyCredentials | None = None
    jetpack: JetpackCredentials | None = None
    shipstation: ShipStationCredentials | None = None


class Addresses(Asked):
    """Where the partners are, when they are simulators; a production stage refuses others than the vendors' own."""

    shopify: Text | None = None
    jetpack: Text | None = None
    shipstation: Text | None = None


class ConnectDocument(Asked):
    """What a merchant gives to connect a store. What is left out stays as it is, or is found."""

    store: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    shop: Annotated[str, Field(max_length=100, pattern=r"^[a-z0-9][a-z0-9-]*\.myshopify\.com$")]
    credentials: Credentials = Credentials()
    routes: Annotated[set[Route], Field(min_length=1)] | None = None
    shipstation_store: Annotated[str, Field(max_length=40)] = ""
    jetpack_channel: Annotated[str, Field(max_length=40)] = ""
    locations: Annotated[set[Text], Field(max_length=100)] | None = None
    stock_location: Annotated[str, Field(max_length=200)] | None = None
    ship_options: Annotated[dict[Text, Text], Field(max_length=500)] = {}
    buffer: Count | None = None
    grace_minutes: Annotated[int, Field(ge=0, le=60 * 24 * 30)] | None = None
    forward_financial_states: Annotated[set[Text], Field(max_length=20)] | None = None
    forward_gateways: Annotated[set[Text], Field(max_length=100)] | None = None
    accepted_risks: Annotated[set[Text], Field(max_length=20)] | None = None
    forward_test_orders: bool | None = None
    take_over: bool = False
    """Whether the shop may be taken from another deployment that says it forwards its orders."""
    addresses: Addresses = Addresses()


class FindingAnswer(Given):
    """One thing that is right or wrong, with the next step."""

    code: str
    severity: Severity
    text: str
    next_step: str
    partner: str


class FindingsAnswer(Given):
    """What connecting or disconnecting found."""

    ok: bool
    findings: list[FindingAnswer]


class CheckAnswer(FindingsAnswer):
    """What a check found, and under which trouble it belongs."""

    troubles: dict[Trouble, list[FindingAnswer]]


class StoreNames(Given):
    """The connected stores."""

    stores: list[str]


class LimitsDocument(Asked):
    """What a ship option's carrier cannot do, as the merchant knows it: Jetpack's list does not say."""

    model_config = ConfigDict(from_attributes=True)

    ship_option: Text
    po_boxes: bool = True
    military: bool = True
    needs_phone: bool = False


class StoreDocument(Asked):
    """What is to be changed of a store. What is left out stays as it is."""

    version: Version
    """Of the settings the change was made from: if somebody else changed them since, nothing is changed."""
    buffer: Count | None = None
    grace_minutes: Count | None = None
    forward_financial_states: Annotated[set[Text], Field(max_length=100)] | None = None
    forward_gateways: Annotated[set[Text], Field(max_length=100)] | None = None
    accepted_risks: Annotated[set[Text], Field(max_length=100)] | None = None
    forward_test_orders: bool | None = None
    mirror_holds: bool | None = None
    mark_forwarded: bool | None = None
    out_of_stock: OutOfStock | None = None
    option_limits: Annotated[list[LimitsDocument], Field(max_length=100)] | None = None
    ships_from: Annotated[set[Text], Field(max_length=300)] | None = None
    stock_location: Annotated[str, Field(max_length=200)] | None = None
    time_zone: Text | None = None


class ShopifyAnswer(Given):
    """Where the shop is."""

    shop: str
    admin_url: str
    api_version: str


class JetpackAnswer(Given):
    """Where the warehouse is, and through which channel we write."""

    api_url: str
    api_version: str
    channel_id: str


class ShipStationAnswer(Given):
    """Where ShipStation is, and which of the account's stores is the shop."""

    store_id: str
    api_url: str


class StoreAnswer(Given):
    """A store's settings. Its rules, ship options and SKUs have paths of their own."""

    slug: str
    version: int
    shopify: ShopifyAnswer
    jetpack: JetpackAnswer
    shipstation: ShipStationAnswer | None
    routes: Sorted[Route]
    locations: Sorted[str]
    stock_location: str
    buffer: int
    grace_minutes: int
    forward_financial_states: Sorted[str]
    forward_gateways: Sorted[str]
    accepted_risks: Sorted[str]
    forward_test_orders: bool
    mirror_holds: bool
    mark_forwarded: bool
    out_of_stock: OutOfStock
    option_limits: list[LimitsDocument]
    ships_from: Sorted[str]
    time_zone: str
    active_rules: int
    shadow_rules: int | None


# -- ship options and SKUs --------------------------------------------------------------------------------------------


class ShipOptionDocument(Asked):
    """One line of the mapping."""

    method: Text
    """As the shop writes it, or a pattern with * for any text; case and spaces count for nothing."""
    ship_option: Text
    active: bool = True
    """Inactive means: known, and nothing is sent by it."""


class ShipOptionAnswer(Given):
    """A line of the mapping as it was saved."""

    method: str
    ship_option: str
    active: bool


class MappedMethodAnswer(ShipOptionAnswer):
    """A line of the mapping, and how it stands."""

    is_pattern: bool
    state: str
    """active, inactive (here), inactive_at_jetpack or gone."""


class UnmappedMethodAnswer(Given):
    """A shipping method that no line stands for, and how many orders came with it."""

    method: str
    orders: int


class RuleOptionAnswer(Given):
    """A ship option that an active rule sets, and how it stands."""

    rule: str
    ship_option: str
    state: str


class OfferedAnswer(Given):
    """A ship option of Jetpack's."""

    ship_option: str
    active: bool


class ShipOptionsAnswer(Given):
    """A store's shipping methods and Jetpack's ship options."""

    mappings: list[MappedMethodAnswer]
    unmapped: list[UnmappedMethodAnswer]
    rules: list[RuleOptionAnswer]
    offered: list[OfferedAnswer]
    limits: list[LimitsDocument]
    trouble: str
    """Why Jetpack could not be asked: then a state is only what is known here."""


class DiscoveredAnswer(Given):
    """What the partners offer that orders may come with."""

    methods: list[str]
    troubles: list[str]


class ComponentDocument(Asked):
    """A product of Jetpack's in one unit of the shop's SKU."""

    sku: Text
    units: Annotated[int, Field(ge=1, le=10_000)] = 1


class SkuDocument(Asked):
    """One line of the SKU map."""

    sku: Text
    components: Annotated[list[ComponentDocument], Field(min_length=1, max_length=50)]


class ComponentAnswer(Given):
    """A product of Jetpack's in one unit of the shop's SKU."""

    sku: str
    units: int
    state: str = ""
    """active, inactive, unknown or not_asked."""


class SkuAnswer(Given):
    """One line of the SKU map."""

    sku: str
    components: list[ComponentAnswer]


class SkusAnswer(Given):
    """A store's SKU map. A SKU that is not in it has the same name at Jetpack."""

    skus: list[SkuAnswer]
    trouble: str
    """Why Jetpack could not be asked."""


class DoneAnswer(Given):
    """It was done."""

    done: Literal[True] = True


# -- orders -----------------------------------------------------------------------------------------------------------


class OrderRowAnswer(Given):
    """One order in a list."""

    order_id: str
    name: str
    status: Status
    reason: str
    """Why it stands there, in a word."""
    detail: str
    owner: str
    """Who can do something about it: merchant, customer, jetpack; empty: nobody has to."""
    since: datetime | None
    age_seconds: int | None
    next_step: str
    due_at: datetime | None
    """When it is looked at again by itself."""
    ship_option: str
    created_at: datetime | None


class OrderCountAnswer(Given):
    """How many orders stand in one status for one reason."""

    status: Status
    reason: str
    orders: int
    at_least: bool
    """Whether there are more, which nobody counted."""


class OrdersAnswer(Given):
    """Some orders, and where the next begin."""

    orders: list[OrderRowAnswer]
    after: str
    """What to ask for the next page with; empty: there is none."""


class OrderCountsAnswer(Given):
    """What is not finished, by status and reason."""

    counts: list[OrderCountAnswer]


class HoldAnswer(Given):
    """Why an order is held, and what lifts it."""

    reason: str
    since: datetime
    detail: str
    owner: str
    meaning: str
    next_step: str
    lifted_when: str


class OrderedAnswer(Given):
    """What a person ordered for one order."""

    wish: Wish
    by: str
    at: datetime
    reason: str


class DecisionAnswer(Given):
    """What the rules said, by which version of them."""

    outcome: str
    rule: str
    rules_version: int
    ship_option: str


class ParcelAnswer(Given):
    """One parcel."""

    shipment_id: str
    state: str
    number: str
    carrier: str
    url: str


class ConsignedLineAnswer(Given):
    """Units of one line in a consignment."""

    line_id: str
    sku: str
    quantity: int


class ConsignmentAnswer(Given):
    """One order at Jetpack for some units of this one."""

    n: int
    reference: str
    state: str
    jetpack_order_id: str
    forwarded_at: datetime | None
    lines: list[ConsignedLineAnswer]
    parcels: list[ParcelAnswer]


class TimelineAnswer(Given):
    """One thing that happened."""

    at: datetime
    by: str
    cause: str
    status: str
    did: list[str]
    trace: list[str]
    """What every rule said, when rules decided."""


class OrderAnswer(Given):
    """Everything known here of one order; who bought it is not."""

    row: OrderRowAnswer
    route: Route | None
    ignored: str
    ordered: int
    units: dict[UnitState, int]
    """Where every ordered unit is; the sum is `ordered`."""
    holds: list[HoldAnswer]
    needs_person: str
    ordered_by_person: OrderedAnswer | None
    decision: DecisionAnswer | None
    consignments: list[ConsignmentAnswer]
    timeline: list[TimelineAnswer]
    """The oldest first."""
    looked_at: datetime | None
    jetpack_looked_at: datetime | None
    attempts: int
    """Looks that failed in a row."""


class ActionDocument(Asked):
    """What to do about an order."""

    action: Literal["look_again", "hold", "release", "exclude", "forward_now", "cancel"]
    reason: Annotated[str, Field(max_length=200)] = ""
    """Shown with the order: names no customer."""


class ActedAnswer(Given):
    """What was ordered, and what follows from it."""

    order_id: str
    name: str
    action: str
    status: Status
    """As it was; the look that follows changes it."""
    text: str


# -- rules ------------------------------------------------------------------------------------------------------------


class RulesDocument(RuleSetDocument):
    """A draft to be saved."""

    note: Annotated[str, Field(max_length=500)] = ""
    """What its author says about it."""


class RemarkAnswer(Given):
    """One thing about rules that their author should know."""

    path: str
    """rules[2].when.all[0]"""
    severity: Severity
    """With an error they are not saved; the rest is shown."""
    text: str


class ReviewAnswer(Given):
    """What was found in a draft."""

    can_be_saved: bool
    remarks: list[RemarkAnswer]


class SavedRulesAnswer(Given):
    """A draft that was saved; it decides nothing before it is activated."""

    version: int
    remarks: list[RemarkAnswer]


class ActivatedAnswer(Given):
    """The version that decides now, and the one it took the place of."""

    version: int
    instead_of: int
    remarks: list[RemarkAnswer]


class RuleVersionAnswer(Given):
    """One version of a store's rules, as listed."""

    version: int
    active: bool
    shadow: bool
    saved_at: datetime | None
    by: str
    note: str


class RuleVersionsAnswer(Given):
    """The versions that are kept, the newest first."""

    versions: list[RuleVersionAnswer]


class RulesAnswer(Given):
    """One version: its `rules` can be changed and saved again."""

    version: int
    active: bool
    rules: list[dict[str, JsonValue]]


class ActivateDocument(Asked):
    """Which version the person saw deciding: if another one does by now, nothing is changed."""

    instead_of: RulesVersion


class RollBackDocument(Asked):
    """Where to go back to. Without anything: to the version that decided before the present one."""

    instead_of: RulesVersion | None = None
    """The version that decides now, as the person saw it."""
    version: RulesVersion | None = None


class ShadowDocument(Asked):
    """Which version is to run beside the active one."""

    version: RulesVersion


class ConditionAnswer(Given):
    """What one condition said."""

    path: str
    text: str
    held: bool


class RuleTraceAnswer(Given):
    """What one rule did, and why."""

    rule: str
    matched: bool
    why: str
    conditions: list[ConditionAnswer]


class VerdictAnswer(Given):
    """What rules decide about an order, with the reason for every rule."""

    outcome: Outcome
    rule: str
    """The rule that decided; empty when none did."""
    version: int
    reason: str
    until: datetime | None
    later: Sorted[str]
    """Ids of the lines that a split holds back."""
    later_rule: str
    later_reason: str
    later_until: datetime | None
    ship_option: str
    location: str
    add_tags: list[str]
    remove_tags: list[str]
    notes: list[str]
    notifications: list[str]
    trace: list[RuleTraceAnswer]


class ExplainedViewAnswer(Given):
    """What the rules say of the order as one book shows it."""

    part: str
    """The ShipStation order; empty for the order as Shopify shows it."""
    verdict: VerdictAnswer
    method: str
    mapped: str
    """active, inactive or unmapped."""
    ship_option: str
    """What it would be shipped by; empty for none."""


class ExplanationAnswer(Given):
    """What the rules say of an order, once for each of its ShipStation orders."""

    order_id: str
    name: str
    seen_in: str
    """snapshot, shop or given."""
    rules_version: int
    """0: a draft."""
    views: list[ExplainedViewAnswer]


class FieldAnswer(Given):
    """One thing a rule can ask about."""

    name: str
    kind: Kind
    meaning: str
    source: Source
    of_line: bool
    """Whether it is about a line: asked inside any_line, every_line, no_line or a split only."""
    keyed: bool
    """Whether a condition has to say which (`key`)."""


class TemplateAnswer(Given):
    """Rules to start from."""

    name: str
    sentence: str
    """What they do, for shop owners."""
    parameters: dict[str, str]
    """What there is to fill in, each with the example that stands in `rules`."""
    rules: list[dict[str, JsonValue]]


class RuleLanguageAnswer(Given):
    """The whole language."""

    rule_schema: dict[str, JsonValue]
    """The JSON Schema of a rule set."""
    fields: list[FieldAnswer]
    operators: dict[Kind, list[Operator]]
    templates: list[TemplateAnswer]


# -- rules tried on many orders ---------------------------------------------------------------------------------------


class DifferenceAnswer(Given):
    """One order about which two rule sets decide differently."""

    order_id: str
    name: str
    was: str
    becomes: str
    group: str
    rule: str


class ReplayDocument(Asked):
    """What to replay."""

    version: RulesVersion
    """The version of the rules that is tried."""
    days: Annotated[int, Field(ge=1, le=90)]


class TriedDocument(Asked):
    """Which rules are to be tried: a version, or a draft; the active ones if neither is said."""

    version: RulesVersion | None = None
    draft: RuleSetDocument | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.version and self.draft:
            message = "a version or a draft, not both"
            raise ValueError(message)
        return self


class ReplayOrdersDocument(TriedDocument):
    """Pasted orders to try rules on."""

    orders: Annotated[list[OrderDocument], Field(max_length=200)]


class ExplainDocument(TriedDocument):
    """One order, by its id or pasted, and the rules to explain it with."""

    order_id: Annotated[str, Field(pattern=r"^[0-9]{1,20}$")] | None = None
    order: OrderDocument | None = None

    @model_validator(mode="after")
    def _one_order(self) -> Self:
        if (self.order_id is None) == (self.order is None):
            message = "an order_id or an order"
            raise ValueError(message)
        return self


class ReplayAnswer(Given):
    """A replay under way or done."""

    id: str
    draft: int
    active: int
    days: int
    state: JobState
    started_at: datetime
    updated_at: datetime | None
    by: str
    day: int
    """How many days are behind it."""
    of_days: int
    seen: int
    same: int
    unreadable: int
    groups: Groups
    examples: list[DifferenceAnswer]
    error: str


class ReplaysAnswer(Given):
    """A store's replays, the newest first."""

    replays: list[ReplayAnswer]


class TallyAnswer(Given):
    """What a comparison found."""

    seen: int
    same: int
    groups: Groups
    examples: list[DifferenceAnswer]


class DifferencesAnswer(Given):
    """What the rule set in the shadow would have decided otherwise, the latest first."""

    version: int | None
    differences: list[DifferenceAnswer]


# -- who changed what -------------------------------------------------------------------------------------------------


class ChangeAnswer(Given):
    """One change that a person made."""

    at: datetime
    by: str
    what: str
    detail: str


class ChangesAnswer(Given):
    """The last changes, the newest first."""

    changes: list[ChangeAnswer]
