"""Show our holds in Shopify as fulfillment holds, and take them off again (route `direct`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetbridge.errors import PartnerError
from jetbridge.ports import MirroredHold

if TYPE_CHECKING:
    from jetbridge.domain.standing import Mirror
    from jetbridge.domain.store import Store
    from jetbridge.use_cases.looking import Look


def mirror_holds(look: Look, store: Store, mirror: Mirror) -> None:
    """Put on and take off what differs. All of it is safe to repeat, so no intent is written.

    What Shopify does not take stays as it was and is tried again by the next look: a held order has one within 15
    minutes, and what is to be sent is released before it is (`planning.Release`).
    """
    if not mirror.hold and not mirror.release:
        return
    shop = look.partners.shop(store)
    try:
        for fulfillment_order, holds in mirror.release:
            shop.release_holds(fulfillment_order, holds)
            look.did.append("released our hold in Shopify")
        for fulfillment_order, reason, notes in mirror.hold:
            shop.hold(fulfillment_order, MirroredHold(reason, notes))
            look.did.append("held in Shopify too")
    except PartnerError as error:
        look.did.append(f"hold not shown in Shopify: {type(error).__name__}")
