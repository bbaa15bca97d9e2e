"""The states of a connection and every step between them, as one table.

::

    waiting for HELLO ──HAPROXY-HELLO──────────────► connected ──NOTIFY, UNSET, unknown──┐
        │        │                                   ▲  │  │  └──────────────────────────┘
        │        └─HAPROXY-HELLO (health check)─► checked  │
        │                                               │  │
        ├──HAPROXY-DISCONNECT───────────────────────────┼──┴► disconnected by HAProxy
        ├──AGENT-DISCONNECT (ours)──────────────────────┼───► disconnected by the agent
        └──fault────────────────────────────────────────┴───► failed

A pair that the table does not have is a misordered frame, which is a fault. The three states at the right
and ``checked`` are final: what is queued leaves, then the socket is closed, and further bytes are ignored.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from .frames import FrameType


class State(Enum):
    """The values are the names used in logs and on the web page."""

    WAITING = "waiting for HELLO"
    CONNECTED = "connected"
    CHECKED = "health-checked"
    DISCONNECTED = "disconnected by HAProxy"
    LEFT = "disconnected by the agent"
    FAILED = "failed"


class Step(Enum):
    """What moves a connection beside the frame types alone."""

    HEALTH_CHECK = "HAPROXY-HELLO (health check)"
    UNKNOWN_FRAME = "frame of unknown type"
    LEAVE = "AGENT-DISCONNECT"
    FAULT = "fault"


TRANSITIONS: Final[dict[tuple[State, FrameType | Step], State]] = {
    (State.WAITING, FrameType.HAPROXY_HELLO): State.CONNECTED,
    # HAProxy resets the connection once it has read our HELLO, so nothing can follow (SPOE.txt 3.2.3).
    (State.WAITING, Step.HEALTH_CHECK): State.CHECKED,
    (State.WAITING, FrameType.HAPROXY_DISCONNECT): State.DISCONNECTED,
    (State.WAITING, Step.LEAVE): State.LEFT,
    (State.WAITING, Step.FAULT): State.FAILED,
    (State.CONNECTED, FrameType.NOTIFY): State.CONNECTED,
    (State.CONNECTED, FrameType.UNSET): State.CONNECTED,
    # "Unknown frames may be silently skipped" (SPOE.txt 3.2.2); before the HELLO they are no SPOP at all.
    (State.CONNECTED, Step.UNKNOWN_FRAME): State.CONNECTED,
    (State.CONNECTED, FrameType.HAPROXY_DISCONNECT): State.DISCONNECTED,
    (State.CONNECTED, Step.LEAVE): State.LEFT,
    (State.CONNECTED, Step.FAULT): State.FAILED,
}

FINAL: Final = frozenset((State.CHECKED, State.DISCONNECTED, State.LEFT, State.FAILED))
