"""Every GraphQL document we send, against Shopify's published schema and against the simulator's part of it."""

from __future__ import annotations

import gzip
import json
import os
from functools import cache
from pathlib import Path

import pytest
from graphql import (
    GraphQLSchema,
    NoDeprecatedCustomRule,
    build_client_schema,
    build_schema,
    parse,
    validate,
)

from jetbridge.domain.connection import SHOPIFY_TOPICS
from jetbridge.partners.shopify.administration import TOPIC_OF
from jetbridge.partners.shopify.client import CARRIERS
from jetbridge.partners.shopify.documents import DOCUMENTS, FULFILLMENT_PAGES
from jetbridge.partners.shopify.webhooks import ORDERS_AT, TOPICS, WHOLE_SHOP
from local.simulators.shopify_graphql import MAX_QUERY_COST, SCHEMA_FILE, QueryCost

CHECKOUT = Path(__file__).parents[2]
CONTRACTS = Path(os.environ.get("CONTRACTS_DIR", CHECKOUT.parent / "shared" / "contracts")) / "shopify"
INTROSPECTION = CONTRACTS / "admin-2026-10.introspection.json.gz"
WEBHOOK_TOPICS = CONTRACTS / "webhook-topics.tsv"
COMPANIES = CONTRACTS / "tracking-companies.json"


@cache
def simulated() -> GraphQLSchema:
    return build_schema(SCHEMA_FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def published() -> GraphQLSchema:
    """Shopify's schema; it deprecates fields that their interfaces do not, hence `assume_valid`."""
    if not INTROSPECTION.exists():
        pytest.skip(f"Shopify's schema is not here ({INTROSPECTION}); set CONTRACTS_DIR")
    with gzip.open(INTROSPECTION) as file:
        return build_client_schema(json.load(file)["data"], assume_valid=True)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_shopify_understands_the_document_and_deprecates_nothing_in_it(published: GraphQLSchema, name: str) -> None:
    document = parse(DOCUMENTS[name])

    assert validate(published, document) == []
    assert validate(published, document, [NoDeprecatedCustomRule]) == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_simulator_understands_the_document(name: str) -> None:
    assert validate(simulated(), parse(DOCUMENTS[name])) == []


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("pages", FULFILLMENT_PAGES)
def test_no_document_costs_more_than_one_query_may(name: str, pages: tuple[int, int]) -> None:
    document = parse(DOCUMENTS[name])
    (operation, *_) = document.definitions
    variables = {"fulfillments": pages[0], "fulfillmentLines": pages[1], "withCustomer": True}

    cost = QueryCost(simulated(), document, operation, variables).requested()  # type: ignore[arg-type]

    assert cost <= MAX_QUERY_COST


def test_the_one_query_of_a_look_stays_cheap() -> None:
    """115 points: a bucket of 2000 holds the requested cost of seventeen looks at once."""
    document = parse(DOCUMENTS["ORDER"])
    pages = {"fulfillments": FULFILLMENT_PAGES[0][0], "fulfillmentLines": FULFILLMENT_PAGES[0][1]}

    def cost(*, with_customer: bool) -> int:
        variables = pages | {"withCustomer": with_customer}
        return QueryCost(simulated(), document, document.definitions[0], variables).requested()  # type: ignore[arg-type]

    assert cost(with_customer=False) < cost(with_customer=True) <= 120


def test_carriers_are_spelled_as_shopify_spells_them() -> None:
    if not COMPANIES.exists():
        pytest.skip(f"Shopify's list of carriers is not here ({COMPANIES}); set CONTRACTS_DIR")
    known = json.loads(COMPANIES.read_text(encoding="utf-8"))

    assert set(CARRIERS.values()) <= set(known["any_country"])


def test_topics_are_spelled_as_shopify_spells_them() -> None:
    if not WEBHOOK_TOPICS.exists():
        pytest.skip(f"Shopify's list of topics is not here ({WEBHOOK_TOPICS}); set CONTRACTS_DIR")
    rows = [line.split("\t") for line in WEBHOOK_TOPICS.read_text(encoding="utf-8").splitlines()]
    known = {value: topic for value, topic, *_ in rows[1:]}

    assert {value: known.get(value) for value in TOPIC_OF} == TOPIC_OF
    assert not ({*ORDERS_AT, *WHOLE_SHOP} - {"app/uninstalled"}) & set(known.values())  # they come by the app alone


def test_every_document_has_a_reader() -> None:
    """A document nobody sends would be validated for ever and never be missed."""
    package = CHECKOUT / "layers/core/jetbridge/partners/shopify"
    text = "".join(path.read_text(encoding="utf-8") for path in package.glob("*.py") if path.name != "documents.py")

    assert [name for name in DOCUMENTS if f"documents.{name}" not in text] == []


def test_every_topic_that_is_subscribed_is_read_and_listed_by_its_name() -> None:
    assert set(SHOPIFY_TOPICS) <= set(TOPICS)
    assert len(TOPICS) == len(TOPIC_OF)
