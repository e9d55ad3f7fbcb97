"""Our idempotency key at Jetpack: `{store}:{shopify order id}:{n}`, n counting the order's consignments."""

from __future__ import annotations


def reference_for(store: str, order_id: str, n: int) -> str:
    """Make the reference of a consignment. Commas would break Jetpack's filter (facts/shipbob.md section 6)."""
    return f"{store}:{order_id}:{n}"


def parse_reference(reference: str) -> tuple[str, str, int] | None:
    """Read store, order id and number back; None when the reference is none of ours."""
    store, _, rest = reference.partition(":")
    order_id, _, n = rest.partition(":")
    if store and order_id.isdecimal() and n.isdecimal():
        return store, order_id, int(n)
    return None


def foreign_keys(number: str, reference: str) -> tuple[str, ...]:
    """Say under what an order somebody else created at Jetpack is remembered, and ours is looked for.

    Others use the shop's order number, with or without what shops put around it, or the Shopify order id as their
    reference.
    """
    digits = "".join(each for each in number if each.isdecimal())
    return tuple(f"{kind}:{text}" for kind, text in (("number", digits), ("reference", reference)) if text)
