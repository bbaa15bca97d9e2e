"""What is said of HTTP and how: OpenTelemetry's conventions, as far as they leave a choice to the one who installs.

Fixed at the start, and handed to whatever makes attributes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from haproxy_telemetry.trace.privacy import Privacy
from haproxy_telemetry.trace.routes import RouteTable

SCHEMA_URL: Final = b"https://opentelemetry.io/schemas/1.44.0"
"""The version of the conventions that the attributes are of."""

KNOWN_METHODS: Final = frozenset(
    (b"CONNECT", b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PUT", b"QUERY", b"TRACE")
)
"""RFC 9110's, PATCH and QUERY: the conventions' list. Methods differ by case."""

LIST_KEYS: Final = (b"http.request.header.", b"http.response.header.")
"""Beginnings of keys whose values are lists by the conventions: a header may come more than once. A tag is one value,
and leaves as a list of one, as the conventions allow."""


class Conventions(NamedTuple):
    """The methods that are called by their names, the templates of ``http.route``, what may be written down."""

    known_methods: frozenset[bytes] = KNOWN_METHODS
    routes: RouteTable = RouteTable()
    privacy: Privacy = Privacy()


DEFAULT: Final = Conventions()
