"""What a route knows of the call it answers: who is asking, and what it works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, cast

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from jetbridge import bootstrap
from jetbridge.console.answers import not_found
from jetbridge.domain.identifiers import OrderId, StoreSlug

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from jetbridge.domain.record import OrderRecord
    from jetbridge.domain.store import Store
    from jetbridge.ports import Administrations, SecretStore, StoreSettings, WakeUpQueue

Slug = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="The store's name.")]
Version = Annotated[int, Path(ge=1, le=1_000_000_000, description="A version of the store's rules.")]
OrderNumber = Annotated[str, Path(pattern=r"^[0-9]{1,20}$", description="Shopify's id of the order.")]


class Changing(TypedDict):
    """What every change of settings takes."""

    by: str
    settings: StoreSettings
    sweep_queue: WakeUpQueue
    clock: Callable[[], datetime]
    new_id: Callable[[], str]


class Administering(TypedDict):
    """What asks the partners' administrations."""

    secrets: SecretStore
    administrations: Administrations


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API."""

    console: bootstrap.Console
    by: str
    """Whose token was shown."""

    def store(self, slug: str) -> Store:
        """Read a store as it is now.

        Raises:
            RefusedError: 404.
        """
        settings = self.console.settings
        settings.forget(StoreSlug(slug))  # people read what they wrote, whichever process wrote it
        found = settings.store(StoreSlug(slug))
        if found is None:
            raise not_found("store")
        return found

    def record(self, store: Store, order_id: str) -> OrderRecord:
        """Read our record of an order.

        Raises:
            RefusedError: 404.
        """
        found = self.console.records.read(store.slug, OrderId(order_id))
        if found is None:
            raise not_found("order")
        return found

    def changing(self) -> Changing:
        """Give the keyword arguments of whatever changes settings and wakes what waited for it."""
        return {
            "by": self.by,
            "settings": self.console.settings,
            "sweep_queue": self.console.queues["sweep"],
            "clock": bootstrap.now,
            "new_id": bootstrap.new_id,
        }

    def administering(self) -> Administering:
        """Give the keyword arguments of whatever asks the partners' administrations."""
        return {"secrets": self.console.secrets, "administrations": self.console.administrations}

    def note(self, slug: str, what: str, detail: str = "") -> None:
        """Record a change that the caller made."""
        self.console.note(StoreSlug(slug), self.by, what, detail)


def routes() -> Router:
    """Make room for the routes of one resource."""
    return Router()  # type: ignore[no-untyped-call]  # Powertools annotates half of itself


def call_of(router: Router) -> Call:
    """Give the call that is being answered."""
    context: dict[str, Any] = router.context
    return cast("Call", context["call"])
