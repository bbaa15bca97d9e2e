"""Who may read what is not for everybody: no web page of another site, by whatever name it reaches this address.

A page's script may send requests to 127.0.0.1. What comes back the browser hides from it, unless the page's own name
was made to mean this address (DNS rebinding): then the Host is that name. So a Host must be an address,
``localhost``, or the name that the setting says; and an Origin, if there is one, the same Host.
"""

from __future__ import annotations

from ipaddress import ip_address

_LOCAL = "localhost"


def is_own_host(host: str, name: str) -> bool:
    """Say whether a Host is an IP address, ``localhost`` or the configured ``name``, with any port."""
    bare = _without_port(host)
    if bare.lower() in (_LOCAL, name.lower()):
        return True
    try:
        ip_address(bare)
    except ValueError:
        return False
    return True


def is_own_origin(origin: str, host: str) -> bool:
    """Say whether a request comes from no page, or from one of the same place."""
    return not origin or origin.partition("://")[2].lower() == host.lower()


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, _, port = host.partition(":")
    return host if ":" in port else name  # two colons: IPv6 without brackets
