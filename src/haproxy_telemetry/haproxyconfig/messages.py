"""The messages of each profile: what HAProxy tells the agent, and at which event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from haproxy_telemetry.haproxyconfig import events
from haproxy_telemetry.haproxyconfig.options import Options, Profile


class Message(NamedTuple):
    """One `spoe-message`. ``args`` are its lines of arguments; ``acl`` a line that ``condition`` needs."""

    name: str
    why: str
    args: tuple[str, ...]
    event: str
    acl: str = ""
    condition: str = ""


def messages_of(options: Options) -> tuple[Message, ...]:
    """Return the messages in the order in which they are sent."""
    if options.profile is Profile.STANDARD:
        return (_request(options),)
    return tuple(message for message in _detailed(options) if events.is_used(options, message.event))


def _request(options: Options) -> Message:
    return Message(
        "otel:request",
        "All there is to say when a request has come: the agent starts its trace, the record ends it.\n"
        "More attributes of the server's span: args tag=str(\"my.attribute\") req.hdr(x-my-header)",
        (
            "id=unique-id",
            "up=var(txn.otel_up) tp=var(txn.otel_tp) link=var(txn.otel_link) ts=var(txn.otel_ts) t0=var(txn.otel_t0)",
            "fe=fe_name ci=src cp=src_port m=method uri=url v=req.ver",
            "host=req.fhdr(host) ua=req.fhdr(user-agent) tls=ssl_fc",
            *((f'svc=str("{options.service}")',) if options.service else ()),
        ),
        events.FRONTEND_HTTP,
    )  # fmt: skip


def _detailed(options: Options) -> Iterator[Message]:
    yield _client_session(options)
    yield _frontend_tcp()
    yield _frontend_http()
    yield _backend_tcp(options)
    yield _backend_http(options)
    yield _server_session(options)
    yield _tcp_response()
    yield _http_response(options)
    yield from _errors()


def _client_session(options: Options) -> Message:
    return Message(
        "opentracing:client-session",
        "The span of the whole stream, and the client's side of it.",
        (
            "id=unique-id",
            'span=str("HAProxy session")',
            *((f'  tag=str("service.name") str("{options.service}")',) if options.service else ()),
            '  tag=str("span.kind") str("server")',
            '  tag=str("haproxy.frontend.name") fe_name',
            '  tag=str("haproxy.unique_id") unique-id',
            'span=str("Client session") child-of=str("HAProxy session")',
            '  tag=str("network.peer.address") src',
            '  tag=str("network.peer.port") src_port',
        ),
        events.CLIENT_SESSION,
    )


def _frontend_tcp() -> Message:
    return Message(
        "opentracing:frontend-tcp-request",
        "",
        (
            "id=unique-id",
            'span=str("Frontend TCP request") child-of=str("Client session")',
            '  tag=str("network.local.port") dst_port',
        ),
        events.FRONTEND_TCP,
    )


def _frontend_http() -> Message:
    return Message(
        "opentracing:frontend-http-request",
        "What HAProxy decided about the caller's trace, and the id that it sends to the server. A span that is"
        " there already is spoken about again. path and query, never url, which is absolute in HTTP/2; a sample"
        " without a value makes no attribute.",
        (
            "id=unique-id",
            "upstream=var(txn.otel_up) traceparent=var(txn.otel_tp) tracestate=var(txn.otel_ts)"
            " link=var(txn.otel_link)",
            'span=str("Frontend HTTP request") follows-from=str("Frontend TCP request")'
            ' finish=str("Frontend TCP request")',
            '  tag=str("http.request.method") method',
            'span=str("HAProxy session")',
            '  tag=str("http.request.method") method',
            '  tag=str("url.scheme") ssl_fc,iif(https,http)',
            '  tag=str("url.path") path',
            '  tag=str("url.query") query',
            '  tag=str("server.address") req.fhdr(host),host_only',
            '  tag=str("client.address") src',
            '  tag=str("network.protocol.version") req.ver',
            '  tag=str("user_agent.original") req.fhdr(user-agent)',
        ),
        events.FRONTEND_HTTP,
    )


def _backend_tcp(options: Options) -> Message:
    before = "Frontend HTTP request" if options.http else "Frontend TCP request"
    last = not options.http and not events.is_used(options, events.SERVER_SESSION)
    return Message(
        "opentracing:backend-tcp-request",
        "",
        (
            "id=unique-id",
            f'span=str("Backend TCP request") follows-from=str("{before}") finish=str("{before}")',
            *(_server_span("") if last else ()),
        ),
        events.BACKEND_TCP,
    )


def _backend_http(options: Options) -> Message:
    last = not events.is_used(options, events.SERVER_SESSION)
    method = '  tag=str("http.request.method") method'
    return Message(
        "opentracing:backend-http-request",
        "The last event that may be used before the server is asked: its span begins here." if last else "",
        (
            "id=unique-id",
            'span=str("Backend HTTP request") follows-from=str("Backend TCP request")'
            ' finish=str("Backend TCP request")',
            method,
            *((*_server_span(""), method) if last else ()),
        ),
        events.BACKEND_HTTP,
    )


def _server_span(finish: str) -> tuple[str, ...]:
    ends = f' finish=str("{finish}")' if finish else ""
    return (
        f'span=str("Server session") child-of=str("HAProxy session"){ends}',
        '  tag=str("span.kind") str("client")',
    )


_SERVER_NAMES = ('  tag=str("haproxy.backend.name") be_name', '  tag=str("haproxy.server.name") srv_name')
_SERVER_ADDRESS = ('  tag=str("server.address") bc_dst', '  tag=str("server.port") bc_dst_port')


def _server_session(options: Options) -> Message:
    method = ('  tag=str("http.request.method") method',) if options.http else ()
    last = "Backend HTTP request" if options.http else "Backend TCP request"
    return Message(
        "opentracing:server-session",
        "A server is connected. Which backend and which server is legal to ask from here on.",
        ("id=unique-id", *_server_span(last), *method, *_SERVER_NAMES),
        events.SERVER_SESSION,
    )


def _tcp_response() -> Message:
    return Message(
        "opentracing:tcp-response",
        "Where the connection really went is legal to ask from here on.",
        (
            "id=unique-id",
            'span=str("TCP response") child-of=str("Server session")',
            'span=str("Server session")',
            *_SERVER_ADDRESS,
        ),
        events.TCP_RESPONSE,
    )


def _http_response(options: Options) -> Message:
    if events.is_used(options, events.TCP_RESPONSE):
        span = 'span=str("HTTP response") follows-from=str("TCP response") finish=str("TCP response")'
        server: tuple[str, ...] = ()
    else:
        span = 'span=str("HTTP response") child-of=str("Server session") finish=str("Backend HTTP request")'
        server = _SERVER_NAMES + _SERVER_ADDRESS
    status = '  tag=str("http.response.status_code") status'
    return Message(
        "opentracing:http-response",
        "The response's headers; its end is told by the record, which ends the spans that are open then.",
        ("id=unique-id", span, status, 'span=str("Server session")', status, *server,
         'span=str("HAProxy session")', status),
        events.HTTP_RESPONSE,
    )  # fmt: skip


def _errors() -> Iterator[Message]:
    why = "OpenTelemetry's rule: a client's span fails from 400 on, a server's from 500 on. error.type is a text."
    yield _error("server-session-error", "Server session", "client_error", 400, why)
    yield _error("haproxy-session-error", "HAProxy session", "server_error", 500, "")


def _error(name: str, span: str, acl: str, status: int, why: str) -> Message:
    args = ("id=unique-id", f'span=str("{span}")', '  tag=str("error") bool(true)',
            '  tag=str("error.type") str("") status')  # fmt: skip
    return Message(f"opentracing:{name}", why, args, events.HTTP_RESPONSE, f"acl {acl} status ge {status}", acl)
