"""Configurations of HAProxy that live tests share. What a test is about stands in the test itself."""

from __future__ import annotations

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


def agents(port: int) -> str:
    """The backend of the agent, checked by SPOP's own health check. `mode tcp` is right for every version."""
    return f"""\
backend agents
    mode tcp
    balance hash thread
    option spop-check
    timeout connect 500ms
    timeout server 10s
    server agent {LOOPBACK}:{port} check inter 200ms fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down
"""


def behind(origin: int) -> str:
    """The backend of the origin."""
    return f"backend origin\n    server origin {LOOPBACK}:{origin}\n"


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
