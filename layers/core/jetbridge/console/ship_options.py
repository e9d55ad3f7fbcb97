"""The mapping of shipping methods to Jetpack's ship options.

A method is any text, slashes and commas too, so it stands in the body or in the query, never in the path.
"""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from jetbridge import bootstrap
from jetbridge.console.calls import Slug, call_of, routes
from jetbridge.documents.console import (
    DiscoveredAnswer,
    DoneAnswer,
    OfferedAnswer,
    ShipOptionAnswer,
    ShipOptionDocument,
    ShipOptionsAnswer,
)
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.use_cases.ship_options import (
    delete_ship_option,
    discover_methods,
    list_ship_options,
    save_ship_option,
)

router = routes()
_TAGS = ["ship options"]
_PATH = "/console/stores/<store>/ship-options"


@router.get(_PATH, tags=_TAGS, summary="List the mapping, what is not mapped, and what Jetpack offers")
def list_options(store: Slug) -> ShipOptionsAnswer:
    """List every line with its state, and every method that has none, by how many orders came with it."""
    call = call_of(router)
    found = list_ship_options(StoreSlug(store), settings=call.console.settings, **call.administering())
    offered = [OfferedAnswer(ship_option=text, active=active) for text, active in found.offered]
    said = {name: getattr(found, name) for name in ShipOptionsAnswer.model_fields}
    return ShipOptionsAnswer.model_validate(said | {"offered": offered})


@router.put(_PATH, tags=_TAGS, summary="Save one line of the mapping")
def put_option(store: Slug, document: ShipOptionDocument) -> ShipOptionAnswer:
    """Save it if Jetpack offers the option; the orders that waited for it are forwarded by themselves."""
    call = call_of(router)
    saved = save_ship_option(
        StoreSlug(store),
        document.method,
        document.ship_option,
        active=document.active,
        **call.changing(),
        **call.administering(),
    )
    return ShipOptionAnswer.model_validate(saved)


@router.delete(_PATH, tags=_TAGS, summary="Delete one line of the mapping")
def delete_option(store: Slug, method: Annotated[str, Query(min_length=1, max_length=200)]) -> DoneAnswer:
    """Delete it; orders by that method are held from then on. What is gone counts as done."""
    delete_ship_option(StoreSlug(store), method, **call_of(router).changing())
    return DoneAnswer()


@router.post(f"{_PATH}/discover", tags=_TAGS, summary="List what the partners offer")
def discover(store: Slug) -> DiscoveredAnswer:
    """Ask the shop and ShipStation for their shipping methods, and list those that are not mapped."""
    call = call_of(router)
    found = discover_methods(
        StoreSlug(store), settings=call.console.settings, clock=bootstrap.now, **call.administering()
    )
    return DiscoveredAnswer.model_validate(found)
