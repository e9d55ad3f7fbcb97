"""The SKU map. A SKU is any text, so it stands in the body or in the query, never in the path."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from jetbridge.console.calls import Slug, call_of, routes
from jetbridge.documents.console import ComponentAnswer, DoneAnswer, SkuAnswer, SkuDocument, SkusAnswer
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.use_cases.skus import delete_sku, list_skus, save_sku

router = routes()
_TAGS = ["SKUs"]
_PATH = "/console/stores/<store>/skus"


@router.get(_PATH, tags=_TAGS, summary="List the SKU map")
def list_map(store: Slug) -> SkusAnswer:
    """List every line, and how Jetpack's SKUs in it stand."""
    console = call_of(router).console
    found = list_skus(StoreSlug(store), settings=console.settings, partners=console.partners)
    skus = []
    for each in found.mappings:
        parts = zip(each.components, each.states, strict=True)
        components = [ComponentAnswer(sku=sku, units=units, state=state) for (sku, units), state in parts]
        skus.append(SkuAnswer(sku=each.sku, components=components))
    return SkusAnswer(skus=skus, trouble=found.trouble)


@router.put(_PATH, tags=_TAGS, summary="Save one line of the SKU map")
def put_sku(store: Slug, document: SkuDocument) -> SkuAnswer:
    """Save it if Jetpack knows the SKUs; the orders that waited for it are forwarded by themselves."""
    call = call_of(router)
    components = [(each.sku, each.units) for each in document.components]
    saved = save_sku(StoreSlug(store), document.sku, components, partners=call.console.partners, **call.changing())
    return SkuAnswer(
        sku=saved.sku, components=[ComponentAnswer(sku=sku, units=units) for sku, units in saved.components]
    )


@router.delete(_PATH, tags=_TAGS, summary="Delete one line of the SKU map")
def remove_sku(store: Slug, sku: Annotated[str, Query(min_length=1, max_length=200)]) -> DoneAnswer:
    """Delete it: the SKU has the same name at Jetpack from then on. What is gone counts as done."""
    delete_sku(StoreSlug(store), sku, **call_of(router).changing())
    return DoneAnswer()
