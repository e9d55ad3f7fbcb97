"""Stores: connect, check, disconnect, read and change their settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query

from jetbridge import bootstrap
from jetbridge.console.calls import Slug, call_of, routes
from jetbridge.documents.console import (
    CheckAnswer,
    ConnectDocument,
    FindingAnswer,
    FindingsAnswer,
    StoreAnswer,
    StoreDocument,
    StoreNames,
)
from jetbridge.domain.connection import broken, grouped
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.domain.ship_options import ShipOptionLimits
from jetbridge.use_cases.change_store import StoreChanges, change_store
from jetbridge.use_cases.check_store import check_store
from jetbridge.use_cases.connect_store import connect_store
from jetbridge.use_cases.disconnect_store import disconnect_store

if TYPE_CHECKING:
    from jetbridge.domain.connection import Finding
    from jetbridge.domain.store import Store

router = routes()
_TAGS = ["stores"]


@router.get("/console/stores", tags=_TAGS, summary="List the stores")
def list_stores() -> StoreNames:
    """Name every connected store."""
    return StoreNames(stores=[*call_of(router).console.settings.stores()])


@router.post("/console/stores", tags=_TAGS, summary="Connect a store, or connect it again")
def connect(document: ConnectDocument) -> FindingsAnswer:
    """Look at every partner, then store and register. Doing it again repairs what was cut short."""
    call = call_of(router)
    given = document.model_dump(exclude_none=True, exclude_unset=True)
    request = bootstrap.connection_request(given)
    findings = connect_store(request, **call.console.ports({}), clock=bootstrap.now, new_token=bootstrap.new_token)
    if not broken(findings):
        partners = ", ".join(sorted(request.credentials)) or "none"
        call.note(request.slug, "store_connected", f"credentials given: {partners}")
    return FindingsAnswer(ok=not broken(findings), findings=_answers(findings))


@router.get("/console/stores/<store>", tags=_TAGS, summary="Read a store's settings")
def show_store(store: Slug) -> StoreAnswer:
    """Give the settings; credentials are never shown."""
    return _answer(call_of(router).store(store))


@router.patch("/console/stores/<store>", tags=_TAGS, summary="Change a store's settings")
def patch_store(store: Slug, document: StoreDocument) -> StoreAnswer:
    """Change what is given, if nobody else changed anything since `version`; what waited for it is woken."""
    call = call_of(router)
    given: dict[str, Any] = document.model_dump(exclude_none=True, exclude={"version", "option_limits"})
    given = {name: frozenset(each) if isinstance(each, set) else each for name, each in given.items()}
    if document.option_limits is not None:
        given["option_limits"] = tuple(ShipOptionLimits(**each.model_dump()) for each in document.option_limits)
    changes = StoreChanges(**given)
    changed = change_store(
        StoreSlug(store), changes, version=document.version, **call.changing(), **call.administering()
    )
    return _answer(changed)


@router.post("/console/stores/<store>/check", tags=_TAGS, summary="Check a store")
def check(store: Slug) -> CheckAnswer:
    """Ask every partner, and say what is right and wrong in words."""
    call = call_of(router)
    findings = check_store(
        call.store(store).slug,
        **call.console.ports({}),
        records=call.console.records,
        runtime=call.console.runtime,
        clock=bootstrap.now,
    )
    troubles = {trouble: _answers(found) for trouble, found in grouped(findings).items()}
    return CheckAnswer(ok=not broken(findings), findings=_answers(findings), troubles=troubles)


@router.delete("/console/stores/<store>", tags=_TAGS, summary="Disconnect a store")
def disconnect(store: Slug, force: Annotated[bool, Query()] = False) -> FindingsAnswer:  # noqa: FBT002 - a query's
    """Take back what connecting put at the partners, then forget credentials and settings."""
    call = call_of(router)
    slug = StoreSlug(store)
    known = slug in call.console.settings.stores()
    findings = disconnect_store(
        slug,
        force=force,
        **call.console.ports({}),
        records=call.console.records,
        partners=call.console.partners,
        clock=bootstrap.now,
    )
    if known and "disconnected" in {each.code for each in findings}:
        call.note(slug, "store_disconnected", "by force" if force else "")
    return FindingsAnswer(ok=not broken(findings), findings=_answers(findings))


def _answer(store: Store) -> StoreAnswer:
    names = StoreAnswer.model_fields.keys() - {"active_rules", "shadow_rules"}
    rules = {"active_rules": store.rules.version, "shadow_rules": store.shadow.version if store.shadow else None}
    return StoreAnswer.model_validate({name: getattr(store, name) for name in names} | rules)


def _answers(findings: Sequence[Finding]) -> list[FindingAnswer]:
    return [FindingAnswer.model_validate(each) for each in findings]
