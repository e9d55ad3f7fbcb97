"""The deployed console: its description, its door, and what a merchant does there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from local.partners import connected_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.partners import ConnectedStore
    from local.stack import LocalStack

pytestmark = [
    pytest.mark.stack,
    pytest.mark.xdist_group("stack"),
    pytest.mark.enable_socket,
    pytest.mark.usefixtures("clean_tables"),
]

SLUG = "console"
PATIENCE_SECONDS = 60
TEA: list[dict[str, Any]] = [{"sku": "TEA-250", "quantity": 1, "price": "12.50"}]


class Door:
    """A merchant's script in front of the deployed console."""

    def __init__(self, stack: LocalStack) -> None:
        self._address = f"{stack.console_url}/console"
        self._token = stack.console_token

    def ask(self, method: str, path: str, body: object = None, *, token: str | None = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._token if token is None else token}"}
        return requests.request(method, f"{self._address}/{path}", json=body, headers=headers, timeout=60)

    def done(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        answer = self.ask(method, f"stores/{SLUG}/{path}", body)
        assert answer.status_code == requests.codes.ok, answer.text
        return answer.json()

    def order(self, number: object) -> dict[str, Any]:
        """Give the line that lists an order; empty while nobody has seen it."""
        listed = self.done("GET", "orders")["orders"]
        found: dict[str, Any] = next((each for each in listed if each["order_id"] == str(number)), {})
        return found


def until(met: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not met():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def connected(stack: LocalStack) -> Iterator[ConnectedStore]:
    with connected_store(stack, slug=SLUG) as found:
        yield found


@pytest.fixture(scope="module")
def door(stack: LocalStack) -> Door:
    return Door(stack)


def test_only_the_description_is_shown_to_strangers(door: Door) -> None:
    assert door.ask("GET", "openapi.json", token="").json()["openapi"]
    stranger = door.ask("GET", "stores", token="a-token-that-nobody-set-for-anybody")  # noqa: S106 - invented
    assert stranger.status_code == requests.codes.unauthorized
    assert stranger.headers["Cache-Control"] == "no-store"


def test_saving_the_mapping_forwards_the_order_that_was_held_for_it(connected: ConnectedStore, door: Door) -> None:
    number = connected.shop.create_order(TEA, shipping_method="By drone, 1/2")["number"]
    until(lambda: door.order(number).get("status") == "held", "held")
    row = door.order(number)
    assert (row["reason"], row["owner"]) == ("unmapped_ship_option", "merchant")
    listed = door.done("GET", "ship-options")
    assert {"method": "by drone, 1/2", "orders": 1} in listed["unmapped"]
    active = next(each["ship_option"] for each in listed["offered"] if each["active"])

    door.done("PUT", "ship-options", {"method": "By Drone, 1/2", "ship_option": active})

    until(lambda: door.order(number).get("status") == "forwarded", "forwarded by itself")
    assert f"{SLUG}:{number}:1" in connected.jetpack.books()["created"]
    shown = door.done("GET", f"orders/{number}")
    assert [each["what"] for each in door.done("GET", "changes")["changes"]][:1] == ["ship_option_saved"]
    assert shown["decision"]["ship_option"] == active


def test_rules_are_tried_on_past_orders_and_then_decide(connected: ConnectedStore, door: Door) -> None:
    first = connected.shop.create_order(TEA)["number"]
    until(lambda: door.order(first).get("status") == "forwarded", "forwarded")
    hold = {"rules": [{"name": "Hold everything", "then": [{"action": "hold", "reason": "a test"}]}]}
    version = door.done("POST", "rules", hold)["version"]

    job = door.done("POST", "replays", {"version": version, "days": 1})["id"]
    until(lambda: door.done("GET", f"replays/{job}")["state"] != "running", "replayed")
    found = door.done("GET", f"replays/{job}")
    assert (found["state"], set(found["groups"])) == ("done", {"newly_held"})
    assert str(first) in {each["order_id"] for each in found["examples"]}

    door.done("POST", f"rules/{version}/activate", {"instead_of": 1})
    second = ""

    def held() -> bool:
        nonlocal second
        second = connected.shop.create_order(TEA)["number"]
        until(lambda: door.order(second).get("status") in {"held", "forwarded"}, "decided")
        return bool(door.order(second)["reason"] == "rule_hold")

    # A worker remembers settings for half a minute.
    until(held, "held by the rule")
    door.done("POST", "rules/roll-back")
    until(lambda: door.order(second).get("status") == "forwarded", "forwarded after the roll-back")
