"""Names of things, each a type of its own, so that none is taken for another."""

from __future__ import annotations

from typing import NewType

StoreSlug = NewType("StoreSlug", str)
"""A store's name in paths, keys and references. Never changes."""

OrderId = NewType("OrderId", str)
"""Shopify's legacy order id: digits, beyond 2^53 at times, never an integer here."""

LineId = NewType("LineId", str)
"""Shopify's legacy line item id: digits. Stable through edits."""
