"""Which rules are meant: a version that is kept, a draft that is pasted, or the active ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetbridge.console.answers import not_found
from jetbridge.domain.rules import RuleSet

if TYPE_CHECKING:
    from jetbridge.console.calls import Call
    from jetbridge.documents.console import TriedDocument
    from jetbridge.domain.store import Store

DRAFT = 0
"""The version of rules that are not kept."""


def version_of(store: Store, version: int, call: Call) -> RuleSet:
    """Read one version of a store's rules.

    Raises:
        RefusedError: 404.
    """
    if store.rules.version == version:
        return store.rules
    found = call.console.settings.rules(store.slug, version)
    if found is None:
        raise not_found("version of the rules")
    return found


def draft_of(document: TriedDocument, store: Store, call: Call) -> RuleSet:
    """Give the rules that are to be tried; the active ones when nothing else is said."""
    if document.draft is not None:
        return RuleSet(DRAFT, document.draft.to_rules())
    return version_of(store, document.version, call) if document.version else store.rules
