"""What frames of known layouts, in their order, make of a stream's spans: worked out once for all streams alike.

HAProxy tells of most streams the same way: the same messages, in the same order, and only their values differ. Which
spans there are then, under which parents, begun and ended by which frame, and what is said of which, is the same for
all of them. So a stream that is told that way keeps its frames and goes along a :class:`Course`; its spans are made
when they are wanted, and of a trace that is not sampled never. ``plan.py`` makes courses, ``LiveTrace.unfold`` spans.

Immutable but for ``next``, which grows as new orders are met.
"""

from __future__ import annotations

from typing import Final, final

from haproxy_telemetry.trace.instructions import Block, Phrase

NO_FRAME: Final = -1
NO_SPAN: Final = -1


@final
class CourseSpan:
    """A span: ``start`` and ``end`` are numbers of frames (``NO_FRAME``: still open), ``parent`` is one of a span.

    ``links`` are kinds of references with the numbers of spans. ``upstream``: the id that goes upstream is its own.
    """

    __slots__ = ("end", "links", "name", "parent", "response_side", "second_root", "start", "upstream")

    def __init__(
        self,
        name: bytes,
        parent: int,
        start: int,
        end: int,
        links: tuple[tuple[int, int], ...],
        response_side: bool,
        second_root: bool,
        upstream: bool,
    ) -> None:
        self.name = name
        self.parent = parent
        self.start = start
        self.end = end
        self.links = links
        self.response_side = response_side
        self.second_root = second_root
        self.upstream = upstream


@final
class CourseSaying:
    """What ``block`` of the frame number ``frame`` says of the span number ``span``."""

    __slots__ = ("block", "frame", "span")

    def __init__(self, span: int, block: Block, frame: int) -> None:
        self.span = span
        self.block = block
        self.frame = frame


@final
class Course:
    """``phrases`` in their order, and what they make. ``over``: there are spans, and all of them have ended.

    ``next``: what follows after one more phrase; ``None``: nothing that can be told in advance.
    """

    __slots__ = ("next", "over", "phrases", "sayings", "spans")

    def __init__(
        self,
        phrases: tuple[Phrase, ...],
        spans: tuple[CourseSpan, ...],
        sayings: tuple[CourseSaying, ...],
    ) -> None:
        self.phrases = phrases
        self.spans = spans
        self.sayings = sayings
        self.over = len(spans) > 0 and all(span.end != NO_FRAME for span in spans)
        self.next: dict[Phrase, Course | None] = {}
