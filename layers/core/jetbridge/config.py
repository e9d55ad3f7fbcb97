"""What a function's environment must hold: the only module that reads it."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING

from jetbridge.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "receive_webhook": ("STAGE", "ORDER_QUEUE_URL", "TRACKING_QUEUE_URL", "SWEEP_QUEUE_URL"),
        "forward_order": ("STAGE", "ORDERS_TABLE", "SETTINGS_TABLE", "RUNTIME_TABLE", "NOTICE_TOPIC_ARN"),
        "sync_tracking": ("STAGE", "ORDERS_TABLE", "SETTINGS_TABLE", "RUNTIME_TABLE"),
        "push_inventory": ("STAGE", "ORDERS_TABLE", "SETTINGS_TABLE", "RUNTIME_TABLE", "INVENTORY_QUEUE_URL"),
        "sweep_orders": (
            "STAGE",
            "ORDERS_TABLE",
            "SETTINGS_TABLE",
            "RUNTIME_TABLE",
            "NOTICE_TOPIC_ARN",
            "ORDER_QUEUE_URL",
            "TRACKING_QUEUE_URL",
            "SWEEP_QUEUE_URL",
        ),
        "console": (
            "STAGE",
            "PUBLIC_URL",
            "ORDERS_TABLE",
            "SETTINGS_TABLE",
            "RUNTIME_TABLE",
            "ORDER_QUEUE_URL",
            "TRACKING_QUEUE_URL",
            "SWEEP_QUEUE_URL",
        ),
    }
)
"""Function folder → its variables. The template gives each function exactly these."""

PRODUCTION_STAGES = frozenset({"prod", "production", "live"})
"""Stages whose partners are the vendors' own hosts and nobody else."""


def settings_for(function: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Read a function's variables.

    Raises:
        ConfigurationError: Names every variable that is missing or blank, at once.
    """
    found = os.environ if environment is None else environment
    missing = [name for name in VARIABLES[function] if not found.get(name, "").strip()]
    if missing:
        message = f"{function} lacks the environment variables {', '.join(missing)}"
        raise ConfigurationError(message)
    return {name: found[name] for name in VARIABLES[function]}


def production(stage: str) -> bool:
    """Whether a stage is a merchant's real one."""
    return stage in PRODUCTION_STAGES
