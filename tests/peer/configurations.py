"""Configurations of HAProxy that live tests share. What a test is about stands in the test itself."""

from __future__ import annotations

from pathlib import Path

from peer.processes import LOOPBACK

DEFAULTS = """\
global
    log stderr len 8192 format raw local0
defaults
    log global
    mode http
    option dontlognull
    timeout connect 5s
    timeout client 10s
    timeout server 10s
    timeout http-request 5s
"""

DETAILED: str = (Path(__file__).parents[2] / "demo" / "opentracing" / "spoe.cfg").read_text()
"""The profile `detailed` as people get it: engine `otel`, prefix `otel`, backend `tracing-agent`, all eight events."""

REQUEST_SIDE = """\
[otel]
spoe-agent otel
    messages opentracing:request opentracing:backend
    option var-prefix otel
    option set-on-error err
    timeout hello 500ms
    timeout idle 20s
    timeout processing 500ms
    use-backend tracing-agent
spoe-message opentracing:request
    args id=unique-id traceparent=req.fhdr(traceparent) tracestate=req.fhdr(tracestate)
    args span=str("request") tag=str("url.path") path
    event on-frontend-http-request
spoe-message opentracing:backend
    args id=unique-id span=str("backend") child-of=str("request") finish=str("*")
    event on-backend-http-request
"""
"""Two spans by two events of the request's side alone."""

ONE_EVENT = """\
[otel]
spoe-agent otel
    messages opentracing:request
    option var-prefix otel
    option set-on-error err
    timeout hello 500ms
    timeout idle 20s
    timeout processing 500ms
    use-backend tracing-agent
spoe-message opentracing:request
    args id=unique-id traceparent=req.fhdr(traceparent) tracestate=req.fhdr(tracestate)
    args span=str("request") tag=str("url.path") path finish=str("*")
    event on-frontend-http-request
"""
"""One event a request: the only one for which 2.6 keeps `timeout processing` however busy the machine is."""

NINE_SPANS = {
    "HAProxy session": "",
    "Client session": "HAProxy session",
    "Frontend TCP request": "Client session",
    "Frontend HTTP request": "Frontend TCP request",
    "Backend TCP request": "Frontend HTTP request",
    "Backend HTTP request": "Backend TCP request",
    "Server session": "HAProxy session",
    "TCP response": "Server session",
    "HTTP response": "TCP response",
}
"""The spans of the profile `detailed` in their order, each with its parent."""

FOLLOWING = {
    name: [(NINE_SPANS[name], "follows_from")]
    for name in ("Frontend HTTP request", "Backend TCP request", "Backend HTTP request", "HTTP response")
}
"""Those that follow from their parent, which they then link to too."""


def agents(port: int) -> str:
    """The backend of the agent, checked by SPOP's own health check. `mode tcp` is right for every version."""
    return agent_backend("agents", f"{LOOPBACK}:{port}")


def agent_backend(name: str, address: str, check: str = "inter 200ms") -> str:
    """A backend with one agent, which an error or a failed health check takes out."""
    return f"""\
backend {name}
    mode tcp
    balance hash thread
    option spop-check
    timeout connect 500ms
    timeout server 10s
    server agent {address} check {check} fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down
"""


def behind(origin: int) -> str:
    """The backend of the origin."""
    return f"backend origin\n    server origin {LOOPBACK}:{origin}\n"


def traced(
    port: int,
    next_hop: int,
    agent: int | str,
    *,
    rules: str = "",
    bind: str = "",
    scope: str = "txn",
    unique_id: str = "unique-id-format %[uuid]",
    check: str = "inter 200ms",
) -> str:
    """A whole HAProxy with the lines that the project tells people to write, before `next_hop`.

    `agent` is a port or an address; `scope` that of the variables that are read.
    """
    address = agent if isinstance(agent, str) else f"{LOOPBACK}:{agent}"
    given, state = f"{{ var({scope}.otel.traceparent) -m found }}", f"{{ var({scope}.otel.tracestate) -m found }}"
    return f"""{DEFAULTS}
frontend web
    bind {LOOPBACK}:{port} {bind}
    {unique_id}
    log-format "%HM %HU %ST %tsc error=%[var(txn.otel.err)]"
    filter spoe engine otel config spoe.cfg
    http-request set-header traceparent %[var({scope}.otel.traceparent)] if {given}
    http-request set-header tracestate %[var({scope}.otel.tracestate)] if {state}
    http-request del-header tracestate if {given} !{state}
    http-request set-var-fmt(txn.url) "http://%[req.fhdr(host)]%[pathq]"
    http-after-response set-header x-trace-id %[var(txn.otel.trace_id)] if {{ var(txn.otel.trace_id) -m found }}
    http-after-response set-header x-error %[var(txn.otel.err)] if {{ var(txn.otel.err) -m found }}
    {rules}
    default_backend origin
{behind(next_hop)}
{agent_backend("tracing-agent", address, check)}"""


def spoe(*messages: str, prefix: str = "agent", agent: str = "") -> str:
    """A SPOE file: one message for each "name | arguments | event", and further lines of the agent section."""
    parts = [tuple(part.strip() for part in message.split("|")) for message in messages]
    return "\n".join(
        [
            "[engine]",
            "spoe-agent agent",
            f"    messages {' '.join(name for name, _, _ in parts)}",
            f"    option var-prefix {prefix}",
            "    option set-on-error err",
            "    timeout hello 1s",
            "    timeout idle 20s",
            "    timeout processing 1s",
            "    use-backend agents",
            agent,
            *(f"spoe-message {name}\n    args {args}\n    event {event}" for name, args, event in parts),
            "",
        ]
    )
