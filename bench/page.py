"""docs/performance.md: the words are written by hand, and between its marks stands what was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bench.bars import BARS, judge
from bench.kept import Kept
from bench.native import ROOT

PAGE = ROOT / "docs" / "performance.md"
BARS_MARK = "bars"


def begin(mark: str) -> str:
    """Return the line before a block that is made."""
    return f"<!-- {mark}: made by `make bench`, not by hand -->"


def end(mark: str) -> str:
    """Return the line behind a block that is made."""
    return f"<!-- end of {mark} -->"


def fill(text: str, kept: Mapping[str, Kept], parts: list[str]) -> str:
    """Return the page with what was measured in its blocks: the bars, and one block for each part."""
    text = replace(text, BARS_MARK, bars_block(kept))
    for part in parts:
        text = replace(text, part, part_block(kept[part]) if part in kept else "Not measured yet.\n")
    return text


def replace(text: str, mark: str, body: str) -> str:
    """Return the page with another body in one block; raise :class:`ValueError` unless it is there once."""
    pattern = re.escape(begin(mark)) + r"\n.*?" + re.escape(end(mark))
    changed, times = re.subn(pattern, lambda _: f"{begin(mark)}\n{body}{end(mark)}", text, flags=re.DOTALL)
    if times != 1:
        raise ValueError(f"the page has the block {mark} {times} times")
    return changed


def bars_block(kept: Mapping[str, Kept]) -> str:
    """Return the table of the bars."""
    figures = {key: values for one in kept.values() for key, values in one.part.figures.items()}
    lines = ["| what, live export, 100 % sampled | bar | measured | met | why |", "|---|---|---|---|---|"]
    lines += [
        f"| {verdict.bar.what} | {verdict.bar.limit_text} | {verdict.text} | {verdict.answer} | {verdict.bar.why} |"
        for verdict in judge(figures)
    ]
    return "\n".join(lines) + "\n"


def bars_of(text: str) -> list[tuple[str, str]]:
    """Return the names and limits in the page's table of bars."""
    block = text.partition(begin(BARS_MARK))[2].partition(end(BARS_MARK))[0]
    rows = [line.strip("|").split(" | ") for line in block.splitlines() if line.startswith("|")]
    return [(cells[0].strip(), cells[1].strip()) for cells in rows[2:]]


def expected_bars() -> list[tuple[str, str]]:
    """Return the names and limits that the page must have."""
    return [(bar.what, bar.limit_text) for bar in BARS]


def part_block(kept: Kept) -> str:
    """Return the tables of one part, and where they were taken."""
    lines = [f"{kept.day}, on {kept.machine}.", ""]
    lines += [table.markdown() for table in kept.part.tables]
    lines += [f"Skipped: {reason}.\n" for reason in kept.part.skipped]
    return "\n".join(lines)
