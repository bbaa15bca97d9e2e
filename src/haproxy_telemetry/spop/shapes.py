"""Layouts that come again and again: payloads of which all is known but some values.

HAProxy sends the same few messages millions of times, and of each only some values differ. A :class:`Shape` is what
they have in common: the bytes between those values. A payload is of a shape when these bytes are the same, which a few
comparisons tell; then nothing but the values has to be read. Whatever is of no shape is read by ``parse_messages``,
which gives the same (``tests/spop/test_shapes.py``).

Which values differ is not for the wire to know: who reads the messages says it (:meth:`ShapeTable.learn`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from haproxy_telemetry.native import mypyc_attr

from .messages import Message, parse_string
from .values import STRING, Value, parse_value
from .varint import ONE_BYTE

MAX_SHAPES: Final = 256
"""In a table: a configuration has a dozen messages, and HAProxy sends one event's together in a few ways."""

MAX_ALIKE: Final = 4
"""With the same first message and number of arguments: an event whose later messages depend on conditions."""

MAX_RUNS: Final = 4096
"""Bytes that a shape knows, at most: with MAX_SHAPES a megabyte. What it means is for who learns it to bound."""

LEARN_AFTER: Final = 3
"""Payloads that begin alike and were of no shape: who sends something once does not need it faster."""

LEARN_AGAIN_AFTER: Final = 256
"""As LEARN_AFTER, where MAX_ALIKE shapes are known, or where the last of them could not be learned: who sends ever new
layouts, or such as cannot be known, pays for learning seldom."""

NEAR: Final = 256
"""Places for the shapes that begin alike, by the length of a name, one of its letters and the number of arguments: a
list is looked up quicker than a dictionary of names. Of several in one place the last one learned is found there."""

_NONE: Final[list[Shape]] = []

MAX_WATCHED: Final = 1024
"""Beginnings that are counted for LEARN_AFTER."""


@final
class Shape:
    """Bytes and values in turn: ``runs[i]`` stands before the value ``i``, ``last`` behind the last value.

    ``meaning`` is for whoever learned it.
    """

    __slots__ = ("last", "meaning", "runs", "used")

    def __init__(self, runs: Sequence[bytes], last: bytes, meaning: object) -> None:
        self.runs = list(runs)
        self.last = last
        self.meaning = meaning
        self.used = 0

    def match(self, data: bytes, pos: int) -> Match | None:
        """Find the values of the payload from ``pos`` to the end of ``data``; ``None`` if it is not of this shape.

        Raises InvalidFrame as ``parse_messages`` would.
        """
        spots: list[int] = []
        end = len(data)
        for run in self.runs:
            at = pos + len(run)
            if at >= end or data[pos:at] != run:
                return None
            if data[at] == STRING and at + 1 < end and data[at + 1] < ONE_BYTE:
                pos = at + 2 + data[at + 1]
            else:
                try:
                    _, pos = parse_value(data, at)
                except IndexError:  # cut: the parser says what is wrong
                    return None
            spots.append(at)
        if pos + len(self.last) != end or data[pos:] != self.last:
            return None
        self.used += 1
        return Match(self, data, spots)


@mypyc_attr(acyclic=True)
@final
class Match:
    """A payload that is of a shape: where its values lie. They are read when somebody asks for them."""

    __slots__ = ("_data", "_spots", "shape")

    def __init__(self, shape: Shape, data: bytes, spots: list[int]) -> None:
        self.shape = shape
        self._data = data
        self._spots = spots  # where each begins

    def value(self, number: int) -> Value:
        """Read a value."""
        data, at = self._data, self._spots[number]
        if data[at] == STRING:
            size = data[at + 1]
            if size < ONE_BYTE:
                return data[at + 2 : at + 2 + size]
        return parse_value(data, at)[0]

    def values(self) -> list[Value]:
        """Read all."""
        return [self.value(number) for number in range(len(self._spots))]

    def raw(self, number: int) -> bytes:
        """Return a value as it came, with its type."""
        data, at, runs = self._data, self._spots[number], self.shape.runs
        if number + 1 < len(runs):
            return data[at : self._spots[number + 1] - len(runs[number + 1])]
        return data[at : len(data) - len(self.shape.last)]

    def packed(self, numbers: Sequence[int]) -> bytes:
        """Return these values as they came, one behind the other: for :func:`unpacked`."""
        return b"".join([self.raw(number) for number in numbers])


def unpacked(packed: bytes) -> list[Value]:
    """Read values that lie one behind the other."""
    values: list[Value] = []
    pos, end = 0, len(packed)
    while pos < end:
        value, pos = parse_value(packed, pos)
        values.append(value)
    return values


@final
class ShapeTable:
    """The shapes that are known, found by how a payload begins. Bounded, whatever peers send."""

    __slots__ = ("_alike", "_missed", "_near", "known")

    def __init__(self) -> None:
        self._alike: dict[bytes, list[Shape]] = {}
        self._near: list[list[Shape]] = [[] for _ in range(NEAR)]
        self._missed: dict[bytes, int] = {}
        self.known = 0

    def near(self, data: bytes, pos: int) -> list[Shape]:
        """Return shapes that the payload from ``pos`` on may be of: mostly what :meth:`find` does, and quicker."""
        end = len(data)
        if pos >= end or pos + data[pos] + 1 >= end:
            return _NONE
        return self._near[_place(data, pos)]

    def find(self, data: bytes, pos: int) -> list[Shape] | None:
        """Return the shapes that the payload from ``pos`` on may be of, ``None`` for none."""
        return self._alike.get(_beginning(data, pos))

    def missed(self, data: bytes, pos: int) -> bool:
        """Note a payload that is of no shape; say whether it is time to learn it."""
        if self.known >= MAX_SHAPES:
            return False
        beginning = _beginning(data, pos)
        count = self._missed.get(beginning, 0) + 1
        alike = self._alike.get(beginning)
        if count >= (LEARN_AFTER if alike is None or len(alike) < MAX_ALIKE else LEARN_AGAIN_AFTER):
            self._missed.pop(beginning, None)
            return True
        if beginning not in self._missed and len(self._missed) >= MAX_WATCHED:
            self._missed.clear()
        self._missed[beginning] = count
        return False

    def put_off(self, data: bytes, pos: int) -> None:
        """Note that a payload could not be learned."""
        self._missed[_beginning(data, pos)] = LEARN_AFTER - LEARN_AGAIN_AFTER

    def learn(self, data: bytes, pos: int, varying: Sequence[Sequence[int]], meaning: object) -> bool:
        """Take the layout of a payload; ``varying`` has the numbers of the arguments that differ, message by message.

        Of MAX_ALIKE that begin alike the one that was used least makes room. ``False``: too large to be known.
        """
        shape = shape_of(data, pos, varying, meaning)
        if sum([len(run) for run in shape.runs]) + len(shape.last) > MAX_RUNS:
            return False
        alike = self._alike.setdefault(_beginning(data, pos), [])
        if len(alike) >= MAX_ALIKE:
            alike.remove(min(alike, key=_used))
            self.known -= 1
        alike.append(shape)
        self._near[_place(data, pos)] = alike
        self.known += 1
        return True


def _used(shape: Shape) -> int:
    return shape.used


def _place(data: bytes, pos: int) -> int:
    size = data[pos]
    return (size + 7 * data[pos + 1 + size * 3 // 4] + 37 * data[pos + size + 1]) % NEAR


def _beginning(data: bytes, pos: int) -> bytes:
    """Return the first message's name with its length and the number of its arguments; names are short."""
    return data[pos : pos + data[pos] + 2] if pos < len(data) else b""


def shape_of(data: bytes, pos: int, varying: Sequence[Sequence[int]], meaning: object) -> Shape:
    """Cut a payload, which ``parse_messages`` takes, at the values that differ."""
    runs: list[bytes] = []
    begin = pos
    for numbers in varying:
        _, pos = parse_string(data, pos)
        count = data[pos]
        pos += 1
        for number in range(count):
            _, pos = parse_string(data, pos)
            _, after = parse_value(data, pos)
            if number in numbers:
                runs.append(data[begin:pos])
                begin = after
            pos = after
    return Shape(runs, data[begin:], meaning)


def all_arguments(messages: Sequence[Message]) -> list[range]:
    """Return the numbers of all arguments: a shape of which only the names are known."""
    return [range(len(message.arguments)) for message in messages]
