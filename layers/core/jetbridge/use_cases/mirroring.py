"""Show our holds in Shopify as fulfillment holds, and take them off again (route `direct`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetbridge.errors import PartnerError
from jetbridge.ports import MirroredHold

if TYPE_CHECKING:
    from jetbridge.domain.standing import Mirror
    from jetbridge.domain.store import Store
    from jetbridge.use_cases.looking import Look


def mirror_holds(look: Look, store: Store, mirror: Mirror) -> PartnerError | None:
    """Put on and take off what differs. All of it is safe to repeat, so no intent is written.

    A hold Shopify does not take is tried again by the next look: a held order has one within 15 minutes. What is to be
    sent is released before it is (`planning.Release`).

    Returns:
        Why a hold was not taken off, if one was not: an order that is done with has no next look of its own.
    """
    if not mirror.hold and not mirror.release:
        return None
    shop = look.partners.shop(store)
    stuck: dict[str, PartnerError] = {}
    for fulfillment_order, holds in mirror.release:
        try:
            shop.release_holds(fulfillment_order, holds)
            look.did.append("released our hold in Shopify")
        except PartnerError as error:
            look.did.append(f"our hold stays in Shopify: {type(error).__name__}")
            stuck[fulfillment_order] = error
    for fulfillment_order, reason, notes in mirror.hold:
        if fulfillment_order in stuck:
            continue
        try:
            shop.hold(fulfillment_order, MirroredHold(reason, notes))
            look.did.append("held in Shopify too")
        except PartnerError as error:
            # Told beside the hold when that is news. A refusal for good would be told every 15 minutes else.
            if look.did:
                look.did.append(f"hold not shown in Shopify: {type(error).__name__}")
    return next(iter(stuck.values()), None)
