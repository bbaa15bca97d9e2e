"""Which of SPOE's events a configuration may use with a HAProxy of this version, and why not the others."""

from __future__ import annotations

from typing import Final

from haproxy_telemetry.haproxyconfig.options import Options

CLIENT_SESSION: Final = "on-client-session"
FRONTEND_TCP: Final = "on-frontend-tcp-request"
FRONTEND_HTTP: Final = "on-frontend-http-request"
BACKEND_TCP: Final = "on-backend-tcp-request"
BACKEND_HTTP: Final = "on-backend-http-request"
SERVER_SESSION: Final = "on-server-session"
TCP_RESPONSE: Final = "on-tcp-response"
HTTP_RESPONSE: Final = "on-http-response"

_HTTP_ONLY: Final = (FRONTEND_HTTP, BACKEND_HTTP, HTTP_RESPONSE)
_RESPONSE_SIDE: Final = (SERVER_SESSION, TCP_RESPONSE, HTTP_RESPONSE)


def left_out(options: Options) -> dict[str, str]:
    """Return the events that hurt this HAProxy, with what they would do."""
    version = options.version
    if version.loses_processing_timeout:
        why = "2.6 can lose `timeout processing` on it when the server answers fast, and then hold the client up"
        return dict.fromkeys(_RESPONSE_SIDE if options.http else _RESPONSE_SIDE[:2], why)
    if version.crashes_on_silent_servers:
        why = "3.4.0 and 3.5-dev crash when a server closes without an answer while it is under way"
        return dict.fromkeys((SERVER_SESSION, TCP_RESPONSE), why)
    if version.breaks_cache_hits and options.cache and options.http:
        why = "since 3.2 it turns each hit of HAProxy's cache into a 502; without a cache, say --no-cache"
        return dict.fromkeys((SERVER_SESSION, TCP_RESPONSE), why)
    return {}


def is_used(options: Options, event: str) -> bool:
    """Tell whether the profile `detailed` has a message for this event."""
    return event not in left_out(options) and (options.http or event not in _HTTP_ONLY)
