"""From settings and environment to the :class:`Conventions` that the spans are made by; the key of hashed addresses."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final

from haproxy_telemetry.settings import BadFileError, BadValueError, Settings
from haproxy_telemetry.trace.conventions import KNOWN_METHODS, Conventions
from haproxy_telemetry.trace.privacy import HASH, Privacy
from haproxy_telemetry.trace.routes import RouteTable

METHODS_VARIABLE: Final = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"
SHORTEST_KEY: Final = 16
LONGEST_KEY: Final = 4096
MOST_METHODS: Final = 100
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}")  # RFC 9110, 5.6.2


def make_conventions(settings: Settings, environ: Mapping[str, str], secret: bytes = b"") -> Conventions:
    """Return what settings and environment ask for; raises a ``SettingsError``.

    ``secret`` is the key of hashed addresses; without one it is that of the key's file, or a new one.
    """
    return Conventions(
        known_methods=read_known_methods(environ),
        routes=RouteTable([(route.method.encode(), route.template.encode()) for route in settings.http.routes]),
        privacy=_privacy(settings, secret),
    )


def read_known_methods(environ: Mapping[str, str]) -> frozenset[bytes]:
    """Return the methods that are called by their names: the variable's list replaces the conventions' own."""
    text = environ.get(METHODS_VARIABLE, "").strip()
    if not text:
        return KNOWN_METHODS
    methods = [item.strip() for item in text.split(",")]
    if len(methods) > MOST_METHODS or not all(_TOKEN.fullmatch(method) for method in methods):
        expected = f"expected methods of HTTP, separated by commas, at most {MOST_METHODS}"
        raise BadValueError("environment", METHODS_VARIABLE, text, expected)
    return frozenset(method.encode() for method in methods)


def hash_key(settings: Settings) -> bytes:
    """Return the key of hashed addresses, ``b""`` if none are; workers get one and the same."""
    return _key(settings.privacy.hash_key_file) if settings.privacy.client_address == HASH else b""


def _privacy(settings: Settings, secret: bytes) -> Privacy:
    privacy = settings.privacy
    return Privacy(
        keep_queries=privacy.query_values == "keep",
        allowed=frozenset(key.encode() for key in privacy.query_allow),
        addresses=privacy.client_address,
        key=secret or hash_key(settings),
    )


def _key(file: Path | None) -> bytes:
    """Return a key of 64 bytes, blake2b's most: the file's content, or one that nobody will ever know."""
    if file is None:
        return secrets.token_bytes(64)
    try:
        with file.open("rb") as opened:
            secret = opened.read(LONGEST_KEY + 1).strip()
    except OSError as error:
        raise BadFileError(str(file), f"the key of [privacy] hash_key_file: {error.strerror}") from error
    if not SHORTEST_KEY <= len(secret) <= LONGEST_KEY:
        problem = f"the key of [privacy] hash_key_file has {len(secret)} bytes, not {SHORTEST_KEY} to {LONGEST_KEY}"
        raise BadFileError(str(file), problem)
    return blake2b(secret).digest()
