"""Behind a proxy: the addresses of trusted proxies, and the path under which the pages are served."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass

from darts_ensemble.errors import UsageError

__all__ = ["LOCAL_PROXIES", "Proxies", "checked_path", "checked_proxies"]

#: A proxy on this machine.
LOCAL_PROXIES = ("127.0.0.1", "::1")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True)
class Proxies:
    """Addresses and networks of proxies whose X-Forwarded-For is trusted.

    Attributes
    ----------
    networks : tuple of str
        In the notation of `ipaddress`; empty if browsers connect directly.
    """

    networks: tuple[str, ...] = ()

    def include(self, address: str) -> bool:
        """Whether a request from this address comes from a proxy."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in ipaddress.ip_network(network) for network in self.networks)


def checked_proxies(addresses: Collection[str]) -> tuple[str, ...]:
    """Return addresses and networks of proxies as networks.

    Raises
    ------
    UsageError
        If one is not an address.
    """
    try:
        return tuple(str(ipaddress.ip_network(address, strict=False)) for address in addresses)
    except ValueError as error:
        raise UsageError(
            f"--proxy: {error}; expected an address such as 172.18.0.2 or a network such as 172.18.0.0/16"
        ) from None


def checked_path(path: str) -> str:
    """Return the path under which pages are served: "" or `/study`, without a slash at its end.

    Raises
    ------
    UsageError
        If it has characters other than letters, digits, `.`, `_`, `~`, `-` and single slashes.
    """
    found = "/" + path.strip().strip("/") if path.strip().strip("/") else ""
    if not _PATH.fullmatch(found) or any(part in (".", "..") for part in found.split("/")):
        raise UsageError(f"--path {path}: expected a path of letters and digits, such as /study")
    return found
