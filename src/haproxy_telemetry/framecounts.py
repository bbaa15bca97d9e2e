"""Frames by type, as people read them.

The event loop counts ``frames_answered``, once a read, and by type only what is no usual pair of NOTIFY and ACK
(``AgentConnection.seldom``): so the way of every request counts nothing twice. Who reads adds them up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PAIR: Final = ("NOTIFY", "ACK")
"""Each NOTIFY that is answered is one of either."""


def complete(counts: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Return the counters with every ``("frames", type)``."""
    completed = dict(counts)
    answered = counts.get(("frames_answered", ""), 0)
    for label in PAIR if answered else ():
        completed["frames", label] = counts.get(("frames", label), 0) + answered
    return completed
