"""What a queued webhook points at: the worker's side of `addresses`, every bit as strict."""

from __future__ import annotations

from jetbridge.domain.shipstation import Resource
from jetbridge.partners.shipstation.addresses import BATCHES, STORE, Parts, take_apart, written

__all__ = ["names_one_thing", "resource_from", "store_of", "text_of"]


def resource_from(text: str) -> Resource:
    """Read the id of a wake-up about a `shipstation_resource`.

    Raises:
        ForeignAddressError: It is no address of a known shape. Whose it is, the desk decides before it sends.
    """
    return Resource(*take_apart(text))


def text_of(resource: Resource) -> str:
    """Write a resource as the id of a wake-up."""
    return written(Parts(resource.origin, resource.kind, resource.query))


def store_of(resource: Resource) -> str:
    """Give the store a resource names; empty when it names none."""
    return dict(resource.query).get(STORE, "")


def names_one_thing(resource: Resource) -> bool:
    """Whether it names a batch, an order or a fulfillment, and not all a store has."""
    return any(name in BATCHES for name, _ in resource.query)
