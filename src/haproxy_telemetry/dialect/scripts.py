"""What a recognised payload says: everything but its values is known, so only these are put in their places.

A :class:`Script` is made by the readers themselves: they read the messages once more, with a marker in the place of
every value that differs, and where the markers come out is where the values belong. So the language is written down
once, in ``opentracing.py``, and a script says the same as the reader (``tests/dialect/test_scripts.py``).

Whatever a script cannot say, it says nothing about (``None``), and the readers take the messages: an id that is
missing, binary values where they are a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from haproxy_telemetry.dialect import opentracing
from haproxy_telemetry.dialect.translate import translate
from haproxy_telemetry.dialect.values import as_attribute, as_attribute_of_one, as_joined_text, as_text
from haproxy_telemetry.spop import Binary, Message, Value
from haproxy_telemetry.trace.instructions import Block, Told, Unwritten
from haproxy_telemetry.trace.spans import Attribute, AttributeValue
from haproxy_telemetry.trace.stream import Identity

_MARKER_SIZE: Final = 12
MAX_ARGUMENTS: Final = 128
"""Of a payload that is known. HAProxy sends thirty; a layout of thousands of empty ones would be known at a price of
its own, some hundred bytes for each, whatever the bytes that it takes on the wire."""

_SALT: Final = b"\x00\xffvalue\xff\x00"

_HEADERS: Final = frozenset((b"id", b"traceparent", b"tracestate", b"upstream", b"link"))
_PAIRS: Final = frozenset((b"tag", b"log", b"baggage"))

# The places of an identity, in the order of its fields.
_FIELDS: Final = 4


class _CannotSayError(Exception):
    """The value is not by itself where it comes out."""


@final
class _Place:
    """One or several values that become one: ``first`` of them, ``count`` in number; a constant if that is 0."""

    __slots__ = ("count", "first", "key", "plain")

    def __init__(self, key: bytes, plain: AttributeValue | None, first: int, count: int) -> None:
        self.key = key
        self.plain = plain
        self.first = first
        self.count = count


@final
class _Attributes(Unwritten):
    """The attributes of one block of one payload."""

    __slots__ = ("_places", "_values")

    def __init__(self, places: list[_Place], values: list[Value]) -> None:
        self._places = places
        self._values = values

    def write(self) -> tuple[Attribute, ...]:
        """Put every value in its place; NULL is no attribute."""
        attributes: list[Attribute] = []
        for place in self._places:
            if place.count == 1:
                value = as_attribute_of_one(self._values[place.first])
            elif place.count:
                value = as_attribute(self._values[place.first : place.first + place.count])
            else:
                value = place.plain
            if value is not None:
                attributes.append((place.key, value))
        return tuple(attributes)


@final
class _BlockScript:
    """A block whose attributes, log or baggage have values; all else is that of ``block``."""

    __slots__ = ("attributes", "baggage", "block", "log")

    def __init__(self, block: Block) -> None:
        self.block = block
        self.attributes = [_place(key, value) for key, value in block.attributes]
        self.log = [_place(key, value) for key, value in block.log]
        self.baggage = [_place(key, value) for key, value in block.baggage]

    def varies(self) -> bool:
        """Say whether there is anything to put in."""
        return any(place.count for places in (self.attributes, self.log, self.baggage) for place in places)

    def say(self, values: list[Value]) -> Block:
        """Return the block with these values."""
        block = self.block
        return Block(
            block.span,
            block.references,
            _Attributes(self.attributes, values) if self.attributes else (),
            tuple([_said(place, values) for place in self.log]) if self.log else (),
            tuple([_said(place, values) for place in self.baggage]) if self.baggage else (),
            block.finishes,
            block.marks,
            block.response_side,
        )


def _said(place: _Place, values: list[Value]) -> tuple[bytes, bytes]:
    if not place.count:
        assert isinstance(place.plain, bytes)
        return place.key, place.plain
    if place.count == 1:
        return place.key, as_text(values[place.first])
    return place.key, as_joined_text(values[place.first : place.first + place.count])


@final
class _ToldScript:
    """What one message tells of one stream."""

    __slots__ = ("_baggage", "_blocks", "_constant", "_fields", "_headers", "_key", "_marks")

    def __init__(self, told: Told) -> None:
        self._key = _value(told.key)
        identity = told.identity or Identity()
        self._fields = [_value(text) if text else -1 for text in identity[:_FIELDS]]
        self._headers = [(name, _value(text)) for name, text in identity.headers]
        if told.identity is None:
            self._fields = []
        self._baggage = _value(told.baggage) if told.baggage else -1
        scripts = [_BlockScript(block) for block in told.blocks]
        self._blocks = scripts if any(script.varies() for script in scripts) else []
        self._constant = told.blocks
        self._marks = told.marks

    def say(self, values: list[Value]) -> Told | None:
        """Return what is told with these values, ``None`` without an id."""
        key = as_text(values[self._key])
        if not key:
            return None
        return Told(
            key,
            self._identity(values) if self._fields else None,
            as_text(values[self._baggage]) if self._baggage >= 0 else b"",
            tuple([script.say(values) for script in self._blocks]) if self._blocks else self._constant,
            self._marks,
        )

    def _identity(self, values: list[Value]) -> Identity | None:
        upstream, caller, untrusted, state = [as_text(values[at]) if at >= 0 else b"" for at in self._fields]
        headers = [(name, text) for name, at in self._headers if (text := as_text(values[at]))]
        if not (upstream or caller or untrusted or state or headers):
            return None
        return Identity(upstream, caller, untrusted, state, tuple(headers))


@final
class Script:
    """What all payloads of one shape say, but for their values."""

    __slots__ = ("_strict", "_tolds")

    def __init__(self, tolds: Sequence[Told], strict: bool) -> None:
        self._tolds = [_ToldScript(told) for told in tolds]
        self._strict = strict

    def say(self, values: list[Value]) -> list[Told] | None:
        """Return what a payload with these values tells; ``None`` where the readers have to see it."""
        if self._strict:
            for value in values:
                if isinstance(value, Binary):
                    return None
        said: list[Told] = []
        for script in self._tolds:
            told = script.say(values)
            if told is None:
                return None
            said.append(told)
        return said


def write_script(messages: Sequence[Message], strict: bool) -> tuple[list[list[int]], Script] | None:
    """Return which arguments differ in payloads like this one, message by message, and what these say.

    ``None`` where that cannot be told in advance: other families of messages, and what the readers complain about.
    """
    if not all(message.name.startswith(opentracing.PREFIX) for message in messages):
        return None
    if sum([len(message.arguments) for message in messages]) > MAX_ARGUMENTS:
        return None
    varying = [_varying(message) for message in messages]
    marked: list[Message] = []
    count = 0
    for message, numbers in zip(messages, varying, strict=True):
        arguments = list(message.arguments)
        for number in numbers:
            arguments[number] = (arguments[number][0], _marker(count))
            count += 1
        marked.append(Message(message.name, tuple(arguments)))
    translation = translate(marked, strict)
    if translation.problems or translation.skipped_messages or not translation.told:
        return None
    try:
        return varying, Script(translation.told, strict)
    except _CannotSayError:
        return None


def _varying(message: Message) -> list[int]:
    """Return which arguments have values that differ: ids, headers, and what stands behind the name of a pair."""
    numbers: list[int] = []
    current = b""
    open_block = False
    for number, (name, _) in enumerate(message.arguments):
        current = name or current
        if name == b"span":
            open_block = True
        elif name == b"id":
            open_block = False
        value_of_pair = not name and current in _PAIRS
        baggage_header = name == b"baggage" and not open_block
        if value_of_pair or baggage_header or current in _HEADERS or opentracing.is_header(current):
            numbers.append(number)
    return numbers


def _marker(number: int) -> bytes:
    return _SALT + b"%03d" % number


def _place(key: bytes, value: AttributeValue) -> _Place:
    if _SALT in key:
        raise _CannotSayError
    if not isinstance(value, bytes) or _SALT not in value:
        return _Place(key, value, 0, 0)
    count = len(value) // _MARKER_SIZE
    first = int(value[len(_SALT) : _MARKER_SIZE])
    if value != b"".join([_marker(number) for number in range(first, first + count)]):
        raise _CannotSayError
    return _Place(key, None, first, count)


def _value(text: bytes) -> int:
    """Return which value a text is."""
    place = _place(b"", text)
    if place.count != 1:
        raise _CannotSayError
    return place.first
