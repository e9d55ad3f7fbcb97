"""Every route of the console, as a person and a script use it: what it answers, and what it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.builders import STORE
from tests.functions.conftest import TOKEN

if TYPE_CHECKING:
    from tests.functions.conftest import Asked, World

ONE = f"/console/stores/{STORE}"
TEA: list[dict[str, Any]] = [{"sku": "TEA-250", "quantity": 1, "price": "12.50"}]
FORWARD = {"name": "Forward", "then": [{"action": "forward"}]}
TO_US = {
    "name": "Hold all but the US",
    "when": {"field": "country", "operator": "is_none_of", "value": ["US"]},
    "then": [{"action": "hold", "reason": "abroad"}],
}
PASTED = {"name": "#1", "lines": [{"sku": "TEA-250"}], "shipping_address": {"country_code": "DE"}}


@pytest.fixture(autouse=True)
def _ada_may_come_in(world: World) -> None:
    world.let_in(ada=TOKEN)


def ok(asked: Asked) -> Any:  # noqa: ANN401 - JSON
    assert asked.status == 200, asked.body
    return asked.body


def refused(asked: Asked) -> tuple[int, str]:
    return asked.status, asked.body["error"]


def changes(world: World) -> list[tuple[str, str]]:
    """Give who changed what, the oldest first."""
    found = ok(world.ask("GET", f"{ONE}/changes"))["changes"]
    return [(each["by"], each["what"]) for each in reversed(found)]


# -- stores ---------------------------------------------------------------------------------------------------------


def test_a_store_is_connected_checked_read_and_disconnected(world: World) -> None:
    world.settings.delete_store(STORE)
    request = {
        "store": STORE,
        "shop": "demo.myshopify.com",
        "credentials": {
            "shopify": {"client_id": world.shop.client_id, "client_secret": world.shop.client_secret},
            "jetpack": {"token": world.jetpack.token},
        },
        "addresses": {"shopify": world.shop.url, "jetpack": world.jetpack.url},
        "buffer": 2,
    }

    assert refused(world.ask("GET", ONE)) == (404, "not_found")
    assert refused(world.ask("POST", f"{ONE}/check")) == (404, "not_found")
    connected = ok(world.ask("POST", "/console/stores", request))
    assert connected["ok"], connected
    shown = ok(world.ask("GET", ONE))
    assert (shown["slug"], shown["buffer"], shown["routes"], shown["active_rules"]) == (STORE, 2, ["direct"], 1)
    checked = ok(world.ask("POST", f"{ONE}/check"))
    assert checked["ok"], checked
    assert "orders not forwarding" in checked["troubles"]
    assert changes(world) == [("ada", "store_connected")]
    for _ in range(2):
        gone = ok(world.ask("DELETE", f"{ONE}?force=false"))
        assert gone["ok"], gone
    assert ok(world.ask("GET", "/console/stores")) == {"stores": []}
    recorded = [(each.by, each.what) for each in world.settings.changes(STORE)]
    assert recorded == [("ada", "store_disconnected"), ("ada", "store_connected")]


def test_connecting_tells_what_is_wrong_and_stores_nothing(world: World) -> None:
    asked = ok(world.ask("POST", "/console/stores", {"store": "other", "shop": "other.myshopify.com"}))

    assert not asked["ok"]
    assert {each["code"] for each in asked["findings"]} >= {"credentials_missing"}
    assert ok(world.ask("GET", "/console/stores")) == {"stores": [STORE]}


def test_settings_are_changed_from_the_version_that_was_seen(world: World) -> None:
    version = ok(world.ask("GET", ONE))["version"]

    changed = ok(
        world.ask("PATCH", ONE, {"version": version, "buffer": 7, "option_limits": [{"ship_option": "2-Day"}]})
    )

    assert (changed["buffer"], changed["option_limits"][0]["po_boxes"]) == (7, True)
    assert refused(world.ask("PATCH", ONE, {"version": version, "buffer": 8})) == (409, "conflict")
    assert refused(world.ask("PATCH", ONE, {"version": changed["version"], "time_zone": "Mars"})) == (
        400,
        "bad_request",
    )
    assert refused(world.ask("PATCH", ONE, {"version": 1, "colour": "blue"})) == (422, "malformed")
    assert changes(world) == [("ada", "settings_changed")]


# -- rules ------------------------------------------------------------------------------------------------------------


def test_the_language_describes_itself(world: World) -> None:
    language = ok(world.ask("GET", "/console/rule-language"))

    assert language["rule_schema"]["type"] == "object"
    assert {"country", "sku"} <= {each["name"] for each in language["fields"]}
    assert "is_one_of" in language["operators"]["text"]
    for template in language["templates"]:
        found = ok(world.ask("POST", f"{ONE}/rules/validate", {"rules": template["rules"]}))
        assert template["sentence"]
        assert all(each["severity"] != "error" or "ship option" in each["text"] for each in found["remarks"]), found


def test_a_draft_is_looked_through_saved_activated_and_rolled_back(world: World) -> None:
    assert [each["version"] for each in ok(world.ask("GET", f"{ONE}/rules"))["versions"]] == [1]
    draft = {"rules": [FORWARD, TO_US]}
    assert ok(world.ask("POST", f"{ONE}/rules/validate", draft))["can_be_saved"]

    saved = ok(world.ask("POST", f"{ONE}/rules", draft | {"note": "abroad waits"}))
    version = saved["version"]
    shown = ok(world.ask("GET", f"{ONE}/rules/{version}"))
    assert (shown["active"], [each["name"] for each in shown["rules"]]) == (False, ["Forward", "Hold all but the US"])
    assert ok(world.ask("POST", f"{ONE}/rules/validate", {"rules": shown["rules"]}))["can_be_saved"]

    activate = f"{ONE}/rules/{version}/activate"
    assert refused(world.ask("POST", activate, {"instead_of": 9})) == (409, "conflict")
    assert ok(world.ask("POST", activate, {"instead_of": 1}))["version"] == version
    listed = ok(world.ask("GET", f"{ONE}/rules"))["versions"]
    assert [(each["version"], each["active"]) for each in listed] == [(version, True), (1, False)]
    assert (listed[0]["by"], listed[0]["note"]) == ("ada", "abroad waits")

    assert ok(world.ask("POST", f"{ONE}/rules/roll-back"))["version"] == 1
    assert ok(world.ask("POST", f"{ONE}/rules/roll-back", {"version": version, "instead_of": 1}))["version"] == version
    assert changes(world) == [
        ("ada", "rules_saved"),
        ("ada", "rules_activated"),
        ("ada", "rules_rolled_back"),
        ("ada", "rules_rolled_back"),
    ]


def test_wrong_drafts_are_refused_with_the_path_to_every_mistake(world: World) -> None:
    wrong = {"rules": [FORWARD, TO_US | {"when": {"field": "country", "operator": "less_than", "value": " "}}]}
    asked = world.ask("POST", f"{ONE}/rules", wrong)
    assert refused(asked) == (422, "malformed")
    assert {each["path"] for each in asked.body["problems"]} <= {"rules[1].when.operator", "rules[1].when.value"}
    assert asked.body["problems"]

    vanished = {"rules": [FORWARD, {"name": "Gone", "then": [{"action": "set_ship_option", "ship_option": "Rocket"}]}]}
    asked = world.ask("POST", f"{ONE}/rules", vanished)
    assert refused(asked) == (422, "rules_refused")
    assert asked.body["problems"][0]["path"].startswith("rules[1].then[0]")
    assert not ok(world.ask("POST", f"{ONE}/rules/validate", vanished))["can_be_saved"]
    assert [each["version"] for each in ok(world.ask("GET", f"{ONE}/rules"))["versions"]] == [1]


def test_versions_that_are_not_there_are_not_found(world: World) -> None:
    asked = [
        world.ask("GET", f"{ONE}/rules/77"),
        world.ask("POST", f"{ONE}/rules/77/activate", {"instead_of": 1}),
        world.ask("POST", f"{ONE}/rules/roll-back", {"version": 77}),
        world.ask("PUT", f"{ONE}/rules/shadow", {"version": 77}),
        world.ask("POST", f"{ONE}/rules/explain", {"order": PASTED, "version": 77}),
        world.ask("POST", f"{ONE}/replays", {"version": 77, "days": 1}),
        world.ask("POST", f"{ONE}/replays/orders", {"version": 77, "orders": []}),
    ]

    assert {refused(each) for each in asked} == {(404, "not_found")}


def test_a_version_runs_in_the_shadow_and_tells_what_it_would_have_done(world: World) -> None:
    version = ok(world.ask("POST", f"{ONE}/rules", {"rules": [TO_US | {"when": None}]}))["version"]
    ok(world.ask("PUT", f"{ONE}/rules/shadow", {"version": version}))
    assert ok(world.ask("GET", ONE))["shadow_rules"] == version
    number = world.shop.create_order(TEA)["number"]
    world.wake("forward_order", number)

    found = ok(world.ask("GET", f"{ONE}/rules/shadow"))
    assert (found["version"], [each["group"] for each in found["differences"]]) == (version, ["newly_held"])
    assert found["differences"][0]["order_id"] == str(number)

    ok(world.ask("DELETE", f"{ONE}/rules/shadow"))
    assert ok(world.ask("GET", f"{ONE}/rules/shadow")) == {"version": None, "differences": []}


def test_an_order_is_explained_by_its_id_or_pasted_by_any_rules(world: World) -> None:
    number = world.shop.create_order(TEA)["number"]
    explain = f"{ONE}/rules/explain"

    real = ok(world.ask("POST", explain, {"order_id": str(number)}))
    assert (real["seen_in"], real["rules_version"], real["views"][0]["verdict"]["outcome"]) == ("shop", 1, "forward")
    pasted = ok(world.ask("POST", explain, {"order": PASTED, "draft": {"rules": [FORWARD, TO_US]}}))
    [view] = pasted["views"]
    assert (pasted["seen_in"], pasted["rules_version"], view["verdict"]["outcome"]) == ("given", 0, "hold")
    assert [each["matched"] for each in view["verdict"]["trace"]] == [True, True]
    assert view["verdict"]["trace"][1]["conditions"][0]["path"] == "rules[1].when"

    assert refused(world.ask("POST", explain, {"order_id": "404"})) == (404, "not_found")
    for wrong in (
        {},
        {"order_id": "1", "order": PASTED},
        {"order": PASTED, "version": 1, "draft": {"rules": [FORWARD]}},
    ):
        assert refused(world.ask("POST", explain, wrong)) == (422, "malformed")


# -- replays ----------------------------------------------------------------------------------------------------------


def test_a_replay_is_started_goes_on_by_itself_and_is_listed(world: World) -> None:
    number = world.shop.create_order(TEA)["number"]
    world.wake("forward_order", number)
    version = ok(world.ask("POST", f"{ONE}/rules", {"rules": [TO_US | {"when": None}]}))["version"]

    started = ok(world.ask("POST", f"{ONE}/replays", {"version": version, "days": 2}))
    assert (started["state"], started["by"], started["of_days"]) == ("running", "ada", 3)
    assert refused(world.ask("POST", f"{ONE}/replays", {"version": version, "days": 2})) == (409, "conflict")
    world.work()

    found = ok(world.ask("GET", f"{ONE}/replays/{started['id']}"))
    assert (found["state"], found["seen"], found["groups"]) == ("done", 1, {"newly_held": 1})
    assert found["examples"][0]["order_id"] == str(number)
    assert [each["id"] for each in ok(world.ask("GET", f"{ONE}/replays"))["replays"]] == [started["id"]]
    again = ok(world.ask("POST", f"{ONE}/replays", {"version": version, "days": 1}))
    assert ok(world.ask("DELETE", f"{ONE}/replays/{again['id']}"))["state"] == "stopped"
    for method in ("GET", "DELETE"):
        assert refused(world.ask(method, f"{ONE}/replays/nobody")) == (404, "not_found")


def test_pasted_orders_are_replayed_at_once(world: World) -> None:
    asked = {"draft": {"rules": [FORWARD, TO_US]}, "orders": [PASTED, PASTED | {"shipping_address": None}, {}]}

    found = ok(world.ask("POST", f"{ONE}/replays/orders", asked))

    assert (found["seen"], sum(found["groups"].values()) + found["same"]) == (3, 3)
    assert found["groups"]["newly_held"] >= 1
    many = {"draft": {"rules": [FORWARD]}, "orders": [PASTED] * 201}
    assert refused(world.ask("POST", f"{ONE}/replays/orders", many)) == (422, "malformed")


# -- ship options and SKUs --------------------------------------------------------------------------------------------


def test_mapping_a_method_forwards_the_order_that_waited_for_it(world: World) -> None:
    number = world.shop.create_order(TEA, shipping_method="By drone, 1/2")["number"]
    world.wake("forward_order", number)
    listed = ok(world.ask("GET", f"{ONE}/ship-options"))
    assert listed["unmapped"] == [{"method": "by drone, 1/2", "orders": 1}]
    assert {"ship_option": "2-Day", "active": True} in listed["offered"]

    line = {"method": "By  Drone, 1/2", "ship_option": "2-Day"}
    assert ok(world.ask("PUT", f"{ONE}/ship-options", line)) == {
        "method": "by drone, 1/2",
        "ship_option": "2-Day",
        "active": True,
    }
    world.work()

    assert ok(world.ask("GET", f"{ONE}/orders/{number}"))["row"]["status"] == "forwarded"
    assert ok(world.ask("GET", f"{ONE}/ship-options"))["unmapped"] == []
    assert ok(world.ask("DELETE", f"{ONE}/ship-options?method=By%20drone,%201/2")) == {"done": True}
    methods = [each["method"] for each in ok(world.ask("GET", f"{ONE}/ship-options"))["mappings"]]
    assert methods == ["standard"]
    assert changes(world) == [("ada", "ship_option_saved"), ("ada", "ship_option_deleted")]


def test_a_mapping_to_nothing_is_refused(world: World) -> None:
    path = f"{ONE}/ship-options"
    asked = world.ask("PUT", path, {"method": "Express", "ship_option": "Rocket"})
    assert refused(asked) == (400, "bad_request")
    assert "it offers:" in asked.body["message"]
    assert refused(world.ask("PUT", path, {"method": "", "ship_option": "2-Day"})) == (422, "malformed")
    assert refused(world.ask("PUT", path, {"method": " ", "ship_option": "2-Day"})) == (400, "bad_request")
    assert refused(world.ask("DELETE", path)) == (422, "malformed")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("500", (503, "partner_unreachable")),
        ("timeout_before", (503, "partner_unreachable")),
        ("429", (503, "partner_unreachable")),
    ],
)
def test_what_a_partner_does_wrong_is_told_in_our_words(
    world: World, kind: str, expected: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    world.jetpack.fail(kind, times=100)

    asked = world.ask("PUT", f"{ONE}/ship-options", {"method": "Express", "ship_option": "2-Day"})

    assert refused(asked) == expected
    assert "Jetpack" in asked.body["message"]
    assert ("Retry-After" in asked.headers) == (expected[0] == 503)


def test_rejected_credentials_are_told_with_what_to_do(world: World) -> None:
    world.jetpack.token = "another"  # noqa: S105 - invented

    asked = world.ask("PUT", f"{ONE}/ship-options", {"method": "Express", "ship_option": "2-Day"})

    assert refused(asked) == (502, "credentials_rejected")
    assert "token" in asked.body["message"]


def test_what_the_partners_offer_is_listed_before_an_order_needs_it(world: World) -> None:
    found = ok(world.ask("POST", f"{ONE}/ship-options/discover"))

    assert set(found) == {"methods", "troubles"}


def test_skus_are_mapped_listed_and_unmapped(world: World) -> None:
    path = f"{ONE}/skus"
    line = {"sku": "GIFT/BOX, 1", "components": [{"sku": "TEA-250", "units": 2}, {"sku": "JAM-1"}]}
    assert ok(world.ask("PUT", path, line))["sku"] == "GIFT/BOX, 1"

    [listed] = ok(world.ask("GET", path))["skus"]
    assert [(each["sku"], each["units"], each["state"]) for each in listed["components"]] == [
        ("TEA-250", 2, "active"),
        ("JAM-1", 1, "active"),
    ]
    assert refused(world.ask("PUT", path, {"sku": "A", "components": [{"sku": "GHOST"}]})) == (400, "bad_request")
    assert refused(world.ask("PUT", path, {"sku": "A", "components": []})) == (422, "malformed")
    assert ok(world.ask("DELETE", f"{path}?sku=GIFT/BOX,%201")) == {"done": True}
    assert ok(world.ask("GET", path))["skus"] == []
    assert changes(world) == [("ada", "sku_saved"), ("ada", "sku_deleted")]


# -- orders -----------------------------------------------------------------------------------------------------------


def test_orders_are_listed_counted_shown_and_acted_on(world: World) -> None:
    number = world.shop.create_order(TEA, shipping_method="By drone")["number"]
    world.wake("forward_order", number)
    path = f"{ONE}/orders"

    [row] = ok(world.ask("GET", f"{path}?status=held&reason=unmapped_ship_option&limit=5"))["orders"]
    assert (row["order_id"], row["owner"], row["status"]) == (str(number), "merchant", "held")
    assert row["next_step"]
    assert row["age_seconds"] >= 0
    assert ok(world.ask("GET", f"{path}?reason=unpaid"))["orders"] == []
    counts = ok(world.ask("GET", f"{ONE}/order-counts"))["counts"]
    assert [(each["status"], each["reason"], each["orders"]) for each in counts] == [
        ("held", "unmapped_ship_option", 1)
    ]

    shown = ok(world.ask("GET", f"{path}/{number}"))
    assert shown["holds"][0]["reason"] == "unmapped_ship_option"
    assert (shown["decision"]["outcome"], shown["decision"]["rules_version"]) == ("forward", 1)
    assert shown["timeline"][-1]["trace"]

    acted = ok(world.ask("POST", f"{path}/{number}/actions", {"action": "exclude", "reason": "by hand"}))
    assert acted["text"]
    world.work()
    after = ok(world.ask("GET", f"{path}/{number}"))
    assert (after["row"]["status"], after["ordered_by_person"]["by"]) == ("excluded", "ada")
    assert changes(world) == [("ada", "order_exclude")]


def test_orders_that_nobody_has_seen_are_not_found(world: World) -> None:
    assert refused(world.ask("GET", f"{ONE}/orders/404")) == (404, "not_found")
    asked = world.ask("POST", f"{ONE}/orders/404/actions", {"action": "look_again"})
    assert refused(asked) == (404, "not_found")
    assert refused(world.ask("POST", f"{ONE}/orders/404/actions", {"action": "eat"})) == (422, "malformed")
    assert refused(world.ask("GET", f"{ONE}/orders?status=eaten")) == (422, "malformed")
    assert refused(world.ask("GET", f"{ONE}/orders?limit=100000")) == (422, "malformed")
    assert refused(world.ask("GET", f"{ONE}/orders/x")) == (422, "malformed")


@pytest.mark.parametrize(
    "after",
    [
        "x",
        "held/",
        "held/2026-01-01/5",
        "held/2026-01-01T00:00:00/5",
        "delivered/0001-01-01/5",
        "held/9999-12-31T23:59:59%2B00:00/5",
    ],
)
def test_pages_begin_where_the_one_before_ended_and_nowhere_else(world: World, after: str) -> None:
    world.wake("forward_order", world.shop.create_order(TEA, shipping_method="By drone")["number"])

    assert world.ask("GET", f"{ONE}/orders?status={after.partition('/')[0]}&after={after}").status in {200, 400, 422}


PATHS = [
    ("GET", ""),
    ("PATCH", ""),
    ("POST", "/check"),
    ("GET", "/changes"),
    ("GET", "/rules"),
    ("POST", "/rules"),
    ("GET", "/rules/1"),
    ("POST", "/rules/validate"),
    ("POST", "/rules/1/activate"),
    ("POST", "/rules/roll-back"),
    ("GET", "/rules/shadow"),
    ("PUT", "/rules/shadow"),
    ("DELETE", "/rules/shadow"),
    ("POST", "/rules/explain"),
    ("POST", "/replays"),
    ("GET", "/replays"),
    ("GET", "/replays/x"),
    ("DELETE", "/replays/x"),
    ("POST", "/replays/orders"),
    ("GET", "/ship-options"),
    ("PUT", "/ship-options"),
    ("DELETE", "/ship-options?method=x"),
    ("POST", "/ship-options/discover"),
    ("GET", "/skus"),
    ("PUT", "/skus"),
    ("DELETE", "/skus?sku=x"),
    ("GET", "/orders"),
    ("GET", "/order-counts"),
    ("GET", "/orders/1"),
    ("POST", "/orders/1/actions"),
]
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", ""): {"version": 1},
    ("POST", "/rules"): {"rules": [FORWARD]},
    ("POST", "/rules/validate"): {"rules": [FORWARD]},
    ("POST", "/rules/1/activate"): {"instead_of": 1},
    ("POST", "/rules/roll-back"): {},
    ("PUT", "/rules/shadow"): {"version": 1},
    ("POST", "/rules/explain"): {"order": PASTED},
    ("POST", "/replays"): {"version": 1, "days": 1},
    ("POST", "/replays/orders"): {"orders": [PASTED]},
    ("PUT", "/ship-options"): {"method": "a", "ship_option": "2-Day"},
    ("PUT", "/skus"): {"sku": "a", "components": [{"sku": "TEA-250"}]},
    ("POST", "/orders/1/actions"): {"action": "hold"},
}


def test_every_route_knows_a_store_that_is_not_connected(world: World) -> None:
    described = world.ask("GET", "/console/openapi.json", token=None).body["paths"]
    listed = {(method.upper(), path) for path, each in described.items() for method in each}
    assert len(PATHS) + 4 == len(listed), "GET and POST of the stores, DELETE of one, and the language"

    for method, path in PATHS:
        asked = world.ask(method, f"/console/stores/nobody{path}", BODIES.get((method, path)))
        assert refused(asked) == (404, "not_found"), (method, path)
        assert world.ask(method, f"{ONE}{path}", BODIES.get((method, path)), token=None).status == 401
