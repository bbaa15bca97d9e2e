"""What the agent is held to: the bars that docs/performance.md shows, and which were met."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Bar:
    """One limit. ``key`` joins it to what was measured; ``scale`` brings that to the limit's unit."""

    key: str
    what: str
    sense: Literal["<=", "<", ">="]
    limit: float
    unit: str
    why: str

    @property
    def limit_text(self) -> str:
        """Return the limit as the page says it."""
        sign = {"<=": "≤", "<": "<", ">=": "≥"}[self.sense]
        return f"{sign} {self.limit:g}{self.unit}" if self.limit or self.sense != "<=" else "0" + self.unit

    def met(self, value: float) -> bool:
        """Return whether a value is on the right side."""
        if self.sense == "<":
            return value < self.limit
        return value <= self.limit if self.sense == "<=" else value >= self.limit

    def worst(self, values: Iterable[float]) -> float:
        """Return the value that is furthest from being right."""
        return min(values) if self.sense == ">=" else max(values)


BARS = (
    Bar("unbatched", "CPU per frame, `-c 32 -w 1`, against the floor", "<=", 1.9, " ×",
        "one frame a wake-up: the kernel is most of it"),
    Bar("batched", "CPU per frame, `-c 4 -w 8`, against the floor", "<=", 3.3, " ×",
        "eight frames a wake-up: the agent's own work is most of it"),
    Bar("interpreted", "interpreted against compiled, `-c 32 -w 1`", "<=", 1.6, " ×", "no compiler must still be fine"),
    Bar("sampled", "10 % sampled against 100 %, the core", "<=", 0.4, " ×", "unsampled is nearly free"),
    Bar("ack_p99", "ACK p99, 4 in flight, while exporting", "<", 0.5, " ms",
        "no thread of the agent may hold the interpreter for long"),
    Bar("proxy_asks", "real HAProxy, `detailed` and `standard`, requests/s against the floor in the agent's place",
        ">=", 0.85, " ×", "the agent isn't what limits"),
    Bar("proxy_zero_wait", "real HAProxy, `zero-wait`, requests/s against no tracing", ">=", 0.85, " ×",
        "nothing waits"),
    Bar("lost", "spans lost at the highest load that HAProxy can send for 60 s", "<=", 0, "",
        "the queue has a size for it"),
    Bar("live_trace", "memory of a live `detailed` trace", "<=", 2000, " bytes", "a long download costs no more"),
    Bar("idle_rss", "memory idle, with all features", "<=", 60, " MB", "it is a sidecar"),
    Bar("start", "from the start to listening", "<", 0.5, " s", "a restart is hardly seen"),
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """A bar beside what was measured; ``values`` by case, empty if it was not measured."""

    bar: Bar
    values: Mapping[str, float]

    @property
    def text(self) -> str:
        """Return what was measured, as the page says it."""
        if not self.values:
            return "not measured"
        return ", ".join(
            f"{_number(value)}{self.bar.unit}{f' ({case})' if case else ''}" for case, value in self.values.items()
        )

    @property
    def answer(self) -> str:
        """Return whether it is met: by all cases, or which are not."""
        if not self.values:
            return "–"
        missed = [case for case, value in self.values.items() if not self.bar.met(value)]
        if not missed:
            return "yes"
        return "**no**" if len(missed) == len(self.values) else f"**no** ({', '.join(missed)})"


def judge(figures: Mapping[str, Mapping[str, float]]) -> list[Verdict]:
    """Hold every bar against the figures; a figure without a bar is a mistake of the bench."""
    unknown = set(figures) - {bar.key for bar in BARS}
    if unknown:
        raise ValueError(f"no bar for {sorted(unknown)}")
    return [Verdict(bar, figures.get(bar.key, {})) for bar in BARS]


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"
