"""Consistent probability sampling: a ratio as a threshold, a trace as a number, and their comparison.

OpenTelemetry, "TraceState: Probability Sampling": a trace has 56 random bits, R, which everybody on its way reads
alike; a sampler of ratio p has the rejection threshold T = (1 - p) * 2**56 and keeps the trace if R >= T. So what
a lower ratio keeps, a higher one keeps too, and T (``ot=th:``) tells how many traces stand behind one.
"""

from __future__ import annotations

from typing import Final

BITS: Final = 56
ALWAYS: Final = 0
"""The threshold that every trace reaches."""
NEVER: Final = 1 << BITS
"""The threshold that no trace reaches; it has no written form."""

_DIGITS: Final = BITS // 4
_ACCURACY: Final = 10_000
"""A written threshold may differ from its ratio by one in so many, which keeps it short: 0.1 is ``e666``."""


def threshold_of(ratio: float) -> int:
    """Return the rejection threshold of a ratio from 0 to 1, with as few hexadecimal digits as it needs."""
    if ratio <= 0.0:
        return NEVER
    kept = max(1, round(ratio * NEVER))
    for digits in range(1, _DIGITS + 1):
        step = 1 << (BITS - 4 * digits)
        rounded = (kept + step // 2) // step * step
        if abs(rounded - kept) * _ACCURACY <= kept:
            return NEVER - rounded
    return NEVER - kept


def ratio_of(threshold: int) -> float:
    """Return the share of traces that reach a threshold."""
    return (NEVER - threshold) / NEVER


def write_threshold(threshold: int) -> bytes:
    """Return the value of ``th``: hexadecimal digits from the highest on, without zeros at the end."""
    return b"%014x" % threshold if threshold & 0xF else (b"%014x" % threshold).rstrip(b"0") or b"0"


def read_digits(text: bytes) -> int | None:
    """Return the number that 1 to 14 hexadecimal digits write from the highest on; ``None`` for anything else."""
    if not 1 <= len(text) <= _DIGITS or not all(digit in b"0123456789abcdef" for digit in text):
        return None
    return int(text.ljust(_DIGITS, b"0"), 16)


def randomness_of(trace_id: bytes) -> int:
    """Return R as the trace id has it: its last 56 bits (W3C Trace Context level 2)."""
    return int.from_bytes(trace_id[9:16], "big")
