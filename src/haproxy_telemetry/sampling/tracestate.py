"""The member ``ot`` of a W3C tracestate: reading its threshold and randomness, writing a threshold.

``ot=th:c;rv:a1b2c3d4e5f607;other:x``: sub-keys of a colon, separated by semicolons, 256 characters at most
(OpenTelemetry, "TraceState Handling"). Who changes a member puts it first (Trace Context 3.3.1.3); sub-keys that
are not known here stay as they are.
"""

from __future__ import annotations

from typing import Final

from haproxy_telemetry.sampling.thresholds import BITS, read_digits, write_threshold

MAX_MEMBERS: Final = 32
MAX_BYTES: Final = 8192
"""As much as the reader of a caller's header lets in."""

MAX_VALUE: Final = 256
_PREFIX: Final = b"ot="
_RANDOMNESS_DIGITS: Final = BITS // 4


def read_ot(trace_state: bytes) -> tuple[int | None, int | None]:
    """Return threshold and randomness, each ``None`` where it is missing or not as it should be."""
    if _PREFIX not in trace_state:
        return None, None
    threshold = randomness = None
    for part in _value(trace_state).split(b";"):
        key, _, value = part.partition(b":")
        if key == b"th":
            threshold = read_digits(value)
        elif key == b"rv" and len(value) == _RANDOMNESS_DIGITS:
            randomness = read_digits(value)
    return threshold, randomness


def with_threshold(trace_state: bytes, threshold: int | None) -> bytes:
    """Return the list with that threshold, or without any for ``None``; the same if nothing changes."""
    if threshold is None and _PREFIX not in trace_state:
        return trace_state
    before = _value(trace_state)
    parts = [part for part in before.split(b";") if part and not part.startswith(b"th:")]
    if threshold is not None:
        parts.insert(0, b"th:" + write_threshold(threshold))
    value = b";".join(parts)
    if value == before:
        return trace_state
    if len(value) > MAX_VALUE:
        value = parts[0]
    others = [member for member in trace_state.split(b",") if member and not member.startswith(_PREFIX)]
    return _joined([_PREFIX + value, *others] if value else others)


def _value(trace_state: bytes) -> bytes:
    for member in trace_state.split(b","):
        if member.startswith(_PREFIX):
            return member[len(_PREFIX) :]
    return b""


def _joined(members: list[bytes]) -> bytes:
    """Return the list within its bounds: what is over goes from the end, where the oldest stand."""
    del members[MAX_MEMBERS:]
    while sum(map(len, members)) + len(members) - 1 > MAX_BYTES:
        members.pop()
    return b",".join(members)
