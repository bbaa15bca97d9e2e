"""docs/performance.md has every bar and a block for every part: `make bench` could not fill it otherwise."""

from __future__ import annotations

import pytest

from bench import kept, page
from bench.__main__ import PARTS
from bench.bars import BARS
from bench.kept import Kept
from bench.results import Part, Table

PART = Part("wire", (Table("T", ("a", ""), (("1", "2"),), "note"),), {"start": {"": 0.3}, "lost": {"2.6": 7.0}}, ("x",))
KEPT = {"wire": Kept(PART, "2026-01-02", "a machine")}


def test_the_page_has_the_bars_of_the_bench_with_their_limits() -> None:
    assert page.bars_of(page.PAGE.read_text()) == page.expected_bars()


def test_the_page_has_a_block_for_every_part_and_says_how_it_is_measured() -> None:
    text = page.PAGE.read_text()
    for part in PARTS:
        assert text.count(page.begin(part)) == text.count(page.end(part)) == 1
        assert f"\n| `{part}` | " in text


def test_a_run_fills_the_page_and_leaves_the_words_alone() -> None:
    before = page.PAGE.read_text()
    after = page.fill(before, KEPT, list(PARTS))
    assert "2026-01-02, on a machine.\n\n### T\n\n| a |  |\n| --- | --- |\n| 1 | 2 |\n\nnote\n" in after
    assert "Skipped: x.\n" in after
    start = next(bar for bar in BARS if bar.key == "start")
    assert f"| {start.what} | {start.limit_text} | 0.30 s | yes | {start.why} |" in after
    assert "| 0 | 7 (2.6) | **no** |" in after
    assert page.bars_of(after) == page.expected_bars()
    assert page.fill(after, KEPT, list(PARTS)) == after
    assert [line for line in words(after) if line not in words(before)] == []


def words(text: str) -> list[str]:
    """The lines outside of the blocks."""
    kept_lines, made = [], False
    for line in text.splitlines():
        made = (made or line.startswith("<!-- ")) and not line.startswith("<!-- end of ")
        if not made:
            kept_lines.append(line)
    return kept_lines


def test_a_page_without_a_block_is_not_written() -> None:
    with pytest.raises(ValueError, match="the block core 0 times"):
        page.replace("no marks", "core", "x")


def test_results_are_kept_as_they_are() -> None:
    assert kept.from_json(kept.to_json(KEPT)) == KEPT
