"""The simulator's part of the Admin schema against Shopify's own: it may leave out, it may never differ."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    build_client_schema,
    build_schema,
    is_non_null_type,
    is_specified_scalar_type,
    parse,
    validate,
)

from local.simulators.shopify_graphql import SCHEMA_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHECKOUT = Path(__file__).parents[2]
CONTRACTS = Path(os.environ.get("CONTRACTS_DIR", CHECKOUT.parent / "shared" / "contracts"))
INTROSPECTION = CONTRACTS / "shopify" / "admin-2026-10.introspection.json.gz"


@pytest.fixture(scope="module")
def theirs() -> GraphQLSchema:
    """Shopify's schema; it deprecates fields that their interfaces do not, hence `assume_valid`."""
    if not INTROSPECTION.exists():
        pytest.skip(f"Shopify's schema is not here ({INTROSPECTION}); set CONTRACTS_DIR")
    with gzip.open(INTROSPECTION) as file:
        return build_client_schema(json.load(file)["data"], assume_valid=True)


def differences(ours: GraphQLSchema, theirs: GraphQLSchema) -> Iterator[str]:
    """Say whatever our part of a schema has that the whole has not, or has otherwise."""
    for kind in ("query_type", "mutation_type"):
        if getattr(ours, kind).name != getattr(theirs, kind).name:
            yield f"{kind} is {getattr(theirs, kind).name} there"
    their_directives = {directive.name: directive for directive in theirs.directives}
    for directive in ours.directives:
        other = their_directives.get(directive.name)
        if other is None:
            continue  # the specification's own, newer in the library than in the recording
        if directive.name == "idempotent":
            yield from argument_differences("@idempotent", directive.args, other.args)
            if directive.locations != other.locations:
                yield "@idempotent stands elsewhere"
    for name, mine in ours.type_map.items():
        if name.startswith("__") or is_specified_scalar_type(mine):
            continue
        if name not in theirs.type_map:
            yield f"type {name} is unknown there"
            continue
        yield from type_differences(mine, theirs.type_map[name])


def type_differences(mine: GraphQLNamedType, other: GraphQLNamedType) -> Iterator[str]:
    """Compare two types of one name, member by member."""
    name = mine.name
    if type(mine) is not type(other):
        yield f"{name} is another kind of type there"
    elif isinstance(mine, GraphQLEnumType) and isinstance(other, GraphQLEnumType):
        for value in mine.values.keys() - other.values.keys():
            yield f"{name}.{value} is no value there"
    elif isinstance(mine, GraphQLInputObjectType) and isinstance(other, GraphQLInputObjectType):
        yield from argument_differences(name, mine.fields, other.fields)
    elif isinstance(mine, GraphQLObjectType | GraphQLInterfaceType) and isinstance(
        other, GraphQLObjectType | GraphQLInterfaceType
    ):
        for interface in {i.name for i in mine.interfaces} - {i.name for i in other.interfaces}:
            yield f"{name} does not implement {interface} there"
        yield from field_differences(mine, other)


def field_differences(
    mine: GraphQLObjectType | GraphQLInterfaceType, other: GraphQLObjectType | GraphQLInterfaceType
) -> Iterator[str]:
    """Compare the fields of two types: type, nullability, arguments; what is deprecated there counts, too."""
    for name, field in mine.fields.items():
        path = f"{mine.name}.{name}"
        if name not in other.fields:
            yield f"{path} is no field there"
            continue
        their_field = other.fields[name]
        if str(field.type) != str(their_field.type):
            yield f"{path} is {field.type} here and {their_field.type} there"
        if their_field.deprecation_reason:
            yield f"{path} is deprecated there: {their_field.deprecation_reason}"
        yield from argument_differences(path, field.args, their_field.args)


def argument_differences(
    path: str,
    mine: Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField],
    other: Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField],
) -> Iterator[str]:
    """Compare arguments or input fields: type, nullability and default."""
    for name, argument in mine.items():
        if name not in other:
            yield f"{path}({name}:) is not accepted there"
            continue
        their_argument = other[name]
        if str(argument.type) != str(their_argument.type):
            yield f"{path}({name}:) is {argument.type} here and {their_argument.type} there"
        if argument.default_value != their_argument.default_value:
            yield f"{path}({name}:) is {argument.default_value} by default here, {their_argument.default_value} there"
    for name, their_argument in other.items():
        must = is_non_null_type(their_argument.type) and their_argument.default_value is Undefined
        if must and name not in mine:
            yield f"{path}({name}:) must be given there"


def test_our_part_of_the_schema_never_differs_from_shopifys(theirs: GraphQLSchema) -> None:
    ours = build_schema(SCHEMA_FILE.read_text(encoding="utf-8"))

    assert list(differences(ours, theirs)) == []


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("displayFinancialStatus: OrderDisplay", "displayFinancialState: OrderDisplay", "no field there"),
        ("fulfillAt: DateTime\n", "fulfillAt: DateTime!\n", "is DateTime! here and DateTime there"),
        ("notifyCustomer: Boolean = false", "notifyCustomer: Boolean = true", "by default here"),
        ("  ORDERS_UPDATED\n", "  ORDERS_UPDATED\n  ORDERS_DREAMT\n", "no value there"),
        ("query: String\n    reverse: Boolean = false\n    sortKey: Order", "sortKey: Order", ""),
        ("inventoryLevel(includeInactive: Boolean = false, locationId: ID!)", "inventoryLevel", "must be given there"),
    ],
)
def test_the_comparison_sees_each_kind_of_difference(
    theirs: GraphQLSchema, right: str, wrong: str, complaint: str
) -> None:
    text = SCHEMA_FILE.read_text(encoding="utf-8")
    assert right in text

    found = list(differences(build_schema(text.replace(right, wrong)), theirs))

    assert any(complaint in difference for difference in found) if complaint else found == []


def test_the_documents_that_the_facts_were_checked_with_are_partly_answered_here(theirs: GraphQLSchema) -> None:
    """The look at an order is the one read everything hangs on: our part must know every field of it."""
    ours = build_schema(SCHEMA_FILE.read_text(encoding="utf-8"))
    document = parse((CONTRACTS / "shopify" / "checked-documents.graphql").read_text(encoding="utf-8"))
    wanted = {
        "FO",
        "FulfillmentCancel",
        "FulfillmentCreate",
        "FulfillmentEvent",
        "FulfillmentOrdersChanged",
        "Hold",
        "LocationLevels",
        "Locations",
        "Metafields",
        "Move",
        "OrderForForwarding",
        "OrderFulfillmentOrders",
        "Orders",
        "ReleaseHold",
        "ReportProgress",
        "SetQuantities",
        "Subscribe",
        "Subscriptions",
        "TagOrder",
        "TrackingUpdate",
        "Unsubscribe",
        "UntagOrder",
    }
    chosen = [node for node in document.definitions if getattr(getattr(node, "name", None), "value", "") in wanted]
    assert len(chosen) == len(wanted)
    document.definitions = tuple(chosen)

    assert [error.message for error in validate(ours, document)] == []
    assert [error.message for error in validate(theirs, document)] == []
