"""A bridge with a merchant at the console: everything that changing settings works with, over in-memory ports."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from jetbridge.use_cases.act_on_order import act_on_order
from jetbridge.use_cases.ship_options import save_ship_option
from jetbridge.use_cases.skus import save_sku
from jetbridge.use_cases.sweep_orders import Swept, sweep_jetpack, wake_held
from jetbridge.use_cases.watch_offers import watch_offers
from tests.bridge import Bridge
from tests.builders import ORDER_ID, STORE
from tests.fake_administrations import (
    DESK_CREDENTIALS,
    JETPACK_CREDENTIALS,
    SHOP_CREDENTIALS,
    FakeAdministrations,
)
from tests.fakes import InMemoryNotices, InMemoryQueue, InMemorySecretStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any

    from jetbridge.domain.ship_options import ShipOptionMapping
    from jetbridge.domain.skus import SkuMapping
    from jetbridge.domain.store import Store
    from jetbridge.use_cases.act_on_order import Acted, OrderAction

KEEPER = "ada"


class Keeper(Bridge):
    """One store and the person who keeps it."""

    def __init__(self, store: Store | None = None) -> None:
        super().__init__(store)
        self.secrets = InMemorySecretStore()
        self.administrations = FakeAdministrations()
        self.sweep_queue = InMemoryQueue(fifo=False, clock=self.now)
        self.notices = InMemoryNotices()
        self.ids = itertools.count(1)
        shown = {"shopify": SHOP_CREDENTIALS, "jetpack": JETPACK_CREDENTIALS, "shipstation": DESK_CREDENTIALS}
        for partner, credentials in shown.items():
            self.secrets.save_credentials(STORE, partner, credentials)

    def new_id(self) -> str:
        return str(next(self.ids))

    @property
    def changing(self) -> dict[str, Any]:
        """What every change of settings takes."""
        now: Callable[[], datetime] = self.now
        return {
            "by": KEEPER,
            "settings": self.settings,
            "sweep_queue": self.sweep_queue,
            "clock": now,
            "new_id": self.new_id,
        }

    @property
    def administering(self) -> dict[str, Any]:
        """What asks the partners' administrations."""
        return {"secrets": self.secrets, "administrations": self.administrations}

    @property
    def settled_store(self) -> Store:
        found = self.settings.store(STORE)
        assert found
        return found

    def map(self, method: str, ship_option: str, *, active: bool = True) -> ShipOptionMapping:
        return save_ship_option(STORE, method, ship_option, active=active, **self.changing, **self.administering)

    def map_sku(self, sku: str, *components: tuple[str, int]) -> SkuMapping:
        return save_sku(STORE, sku, components, partners=self, **self.changing)

    def order_for(self, action: OrderAction, *, reason: str = "", order: str = ORDER_ID) -> Acted:
        changing = self.changing
        del changing["sweep_queue"]
        return act_on_order(
            STORE,
            order,  # type: ignore[arg-type]  # an order id, whichever
            action,
            reason=reason,
            records=self.records,
            order_queue=self.order_queue,
            tracking_queue=self.tracking_queue,
            **changing,
        )

    def release(self) -> int:
        """Let the sweep wake what the messages name; gives how many orders that were, and works nothing yet."""
        messages, self.sweep_queue.sent[:] = list(self.sweep_queue.sent), []
        return sum(self.wake_waiting(each.id.removeprefix("held:"), each.cause).woken for each in messages)

    def wake_waiting(self, waited_for: str, cause: str = "released:1") -> Swept:
        return wake_held(
            STORE,
            waited_for,
            cause,
            records=self.records,
            settings=self.settings,
            order_queue=self.order_queue,
            clock=self.now,
        )

    def watch(self) -> Swept:
        return watch_offers(
            settings=self.settings,
            runtime=self.runtime,
            notices=self.notices,
            clock=self.now,
            **self.administering,
        )

    def sweep_jetpack(self) -> Swept:
        return sweep_jetpack(settings=self.settings, partners=self, runtime=self.runtime, clock=self.now)

    @property
    def changes(self) -> list[tuple[str, str, str]]:
        """Who changed what, the oldest first."""
        return [(each.by, each.what, each.detail) for each in reversed(self.settings.changes(STORE))]
