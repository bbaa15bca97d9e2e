"""What a part of the bench gives back: tables for people, and figures that bars are held against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Table:
    """Rows of text under heads; ``note`` says how they came about."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        """Return it for a page."""
        lines = [f"### {self.title}", ""]
        lines += ["| " + " | ".join(cells) + " |" for cells in (self.heads, ("---",) * len(self.heads), *self.rows)]
        return "\n".join([*lines, "", self.note, ""] if self.note else [*lines, ""])

    def text(self) -> str:
        """Return it for a terminal."""
        widths = [max(len(cells[i]) for cells in (self.heads, *self.rows)) for i in range(len(self.heads))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
                 for cells in (self.heads, *self.rows)]  # fmt: skip
        return "\n".join([self.title, *("  " + line for line in lines)])


@dataclass(frozen=True)
class Part:
    """The result of one part. ``figures``: by the bar's key; several for one bar are all held to it."""

    name: str
    tables: tuple[Table, ...]
    figures: dict[str, dict[str, float]]
    """For each bar's key, what was measured, by the name of the case (a scenario, a version of HAProxy)."""
    skipped: tuple[str, ...] = ()


def ratio_of_rounds(ours: Sequence[float], floor: Sequence[float]) -> float:
    """Return the median of the ratios of rounds: both were measured one after the other in each of them."""
    return median(a / b for a, b in zip(ours, floor, strict=True))


def spread(values: Iterable[float]) -> float:
    """Return how far apart values are: (largest - smallest) / median."""
    kept = list(values)
    return (max(kept) - min(kept)) / median(kept)
