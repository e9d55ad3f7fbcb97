"""Decides which address a partner's credentials may be sent to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jetbridge.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

# Nothing but scheme, host and (outside production) port: no user info, path, query or fragment can be in it.
ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?P<port>:[0-9]{1,5})?/?", re.ASCII
)
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII)


def allowed_origin(address: str, *, vendor_hosts: Iterable[str], production: bool) -> str:
    """Check the address of a partner and give it in its plainest form, without a slash at the end.

    Args:
        address: What the settings say.
        vendor_hosts: The vendor's own hosts; `*.` in front stands for exactly one label.
        production: Where only https and the vendor's hosts will do. Elsewhere simulators are partners, too.

    Raises:
        ConfigurationError: Credentials must not go there.
    """
    parts = ORIGIN.fullmatch(address.lower()) if address.isascii() else None
    if parts is None:
        message = "a partner's address must be a scheme and a host, nothing else"
        raise ConfigurationError(message)
    if production:
        own = any(_is_host_of(parts["host"], vendor) for vendor in vendor_hosts)
        if not own or parts["scheme"] != "https" or parts["port"]:
            message = "a partner's address must be https and the vendor's own host"
            raise ConfigurationError(message)
    return f"{parts['scheme']}://{parts['host']}{parts['port'] or ''}"


def _is_host_of(host: str, vendor: str) -> bool:
    if vendor.startswith("*."):
        label = host.removesuffix(vendor[1:])
        return label != host and LABEL.fullmatch(label) is not None
    return host == vendor
