"""What a recognised payload says: everything but its values is known, so only these are put in their places.

A :class:`Script` is made by the readers themselves: they read the messages once more, with a marker in the place of
every value that differs, and where the markers come out is where the values belong. So the language is written down
once, in ``opentracing.py``, and a script says the same as the reader (``tests/dialect/test_scripts.py``). What
``otel:request`` tells are facts by name, so that its script is which value is which; ``stream.py`` makes the rest.

Whatever a script cannot say, it says nothing about (``None``), and the readers take the messages: an id that is
missing; strictly, binary values, which are a fault, and a tag without a value, which may be all that makes a span.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from haproxy_telemetry.dialect import opentracing, stream
from haproxy_telemetry.dialect.translate import translate
from haproxy_telemetry.dialect.values import as_attribute_of_one, as_joined_text, as_text
from haproxy_telemetry.native import mypyc_attr
from haproxy_telemetry.spop import Binary, Match, Message, Value, unpacked
from haproxy_telemetry.trace.instructions import Block, Phrase, Spoken, Told, Values
from haproxy_telemetry.trace.spans import Attribute, AttributeValue
from haproxy_telemetry.trace.stream import Identity

_MARKER_SIZE: Final = 12
MAX_ARGUMENTS: Final = 128
"""Of a payload that is known. HAProxy sends thirty; a layout of thousands of empty ones would be known at a price of
its own, some hundred bytes for each, whatever the bytes that it takes on the wire."""

_SALT: Final = b"\x00\xffvalue\xff\x00"

_HEADERS: Final = frozenset((b"id", b"traceparent", b"tracestate", b"upstream", b"link"))
_PAIRS: Final = frozenset((b"tag", b"log", b"baggage"))


class _CannotSayError(Exception):
    """The value is not by itself where it comes out."""


@final
class _Source:
    """Where a value of what is told comes from: ``count`` of the payload's from ``first`` on, ``plain`` if that is 0.

    ``text``: as text, whatever its type.
    """

    __slots__ = ("count", "first", "plain", "text")

    def __init__(self, plain: AttributeValue | None, first: int, count: int, text: bool) -> None:
        self.plain = plain
        self.first = first
        self.count = count
        self.text = text

    def value(self, values: list[Value], at: int) -> AttributeValue | None:
        """Return it, from those of the payload that begin at ``at``; NULL is no attribute."""
        if self.count == 1:
            value = values[at]
            if type(value) is bytes:
                return value
            return as_text(value) if self.text else as_attribute_of_one(value)
        return as_joined_text(values[at : at + self.count]) if self.count else self.plain


class _MessageScript:
    """What one message tells of one stream."""

    __slots__ = ()

    def say(self, match: Match) -> Told | None:  # noqa: ARG002 (what others need)
        """Return what a payload tells, ``None`` without an id."""
        return None


@final
class _StartScript(_MessageScript):
    """What a message of ``stream.py`` tells, whose values begin with the payload's ``first``; ``told`` has markers."""

    __slots__ = ("_facts", "_tags")

    def __init__(self, message: Message, first: int, told: Told) -> None:
        self._facts = [-1] * len(stream.FACTS)
        for number, argument in enumerate(_varying_facts(message)):
            place = stream.PLACES.get(message.arguments[argument][0])
            if place is not None:
                self._facts[place] = first + number
        if any(_SALT in key for key, _ in told.attributes):
            raise _CannotSayError
        self._tags = [(key, _source(value, False)) for key, value in told.attributes]

    def say(self, match: Match) -> Told | None:
        """Return what a payload tells, ``None`` without an id."""
        facts: list[Value] = []
        for at in self._facts:
            facts.append(match.value(at) if at >= 0 else None)  # noqa: PERF401 (compiled, this is the loop that it looks like)
        return stream.told_of(facts, self._attributes(match) if self._tags else ())

    def _attributes(self, match: Match) -> tuple[Attribute, ...]:
        values = match.values()
        said = [(key, source.value(values, source.first)) for key, source in self._tags]
        return tuple([(key, value) for key, value in said if value is not None])


@final
class _ToldScript(_MessageScript):
    """What one message of ``opentracing.py`` tells of one stream."""

    __slots__ = ("_baggage", "_fields", "_headers", "_marks", "blocks", "key", "sources")

    def __init__(self, told: Told) -> None:
        self.key = _value(told.key)
        identity = told.identity or Identity()
        told_of = (identity.upstream, identity.caller, identity.untrusted, identity.tracestate)
        self._fields = [_value(text) if text else -1 for text in told_of]
        self._headers = [(name, _value(text)) for name, text in identity.headers]
        if told.identity is None:
            self._fields = []
        self._baggage = _value(told.baggage) if told.baggage else -1
        self.blocks = told.blocks
        self._marks = told.marks
        texts: set[int] = set()
        for block in told.blocks:
            if any(_SALT in key for key, _ in block.attributes + block.log + block.baggage):
                raise _CannotSayError
            texts.update(number for _, number in block.log + block.baggage)
        self.sources = [_source(value, number in texts) for number, value in enumerate(told.values)]

    def say(self, match: Match) -> Told | None:
        """Return what a payload tells, ``None`` without an id."""
        key = as_text(match.value(self.key))
        if not key:
            return None
        values = match.values()
        said = [source.value(values, source.first) for source in self.sources]
        return Told(key, self.identity(match), self.baggage(match), self.blocks, self._marks, said)

    @property
    def has_baggage(self) -> bool:
        """Whether it tells of the caller's header."""
        return self._baggage >= 0

    @property
    def says_blocks_alone(self) -> bool:
        """Whether it tells nothing of the stream as a whole."""
        return not self._fields and not self.has_baggage

    def baggage(self, match: Match) -> bytes:
        """Return the caller's header."""
        return as_text(match.value(self._baggage)) if self._baggage >= 0 else b""

    def identity(self, match: Match) -> Identity | None:
        """Return what the stream is told of callers."""
        if not self._fields:
            return None
        upstream, caller, untrusted, state = [as_text(match.value(at)) if at >= 0 else b"" for at in self._fields]
        headers = [(name, text) for name, at in self._headers if (text := as_text(match.value(at)))]
        if not (upstream or caller or untrusted or state or headers):
            return None
        return Identity(upstream, caller, untrusted, state, tuple(headers))


@final
class _KnownPhrase(Phrase):
    """What all messages of a payload tell of one stream, together; the first may tell more than blocks."""

    __slots__ = ("_first", "_keys", "_numbers", "_sources")

    def __init__(self, tolds: list[_ToldScript]) -> None:
        self._first = tolds[0]
        self._keys = [told.key for told in tolds[1:]]
        self._sources: list[_Source] = []
        blocks: list[Block] = []
        for told in tolds:
            blocks.extend([block.shifted(len(self._sources)) for block in told.blocks])
            self._sources.extend(told.sources)
        self._numbers = [source.first + number for source in self._sources for number in range(source.count)]
        super().__init__(tuple(blocks))

    def speak(self, match: Match) -> Spoken | None:
        """Return what is said in this payload; ``None`` without an id, or where it is about several streams."""
        first = self._first
        key = match.value(first.key)
        if type(key) is not bytes or not key:
            return None
        if self._keys:
            raw = match.raw(first.key)
            for at in self._keys:
                if match.raw(at) != raw:
                    return None
        return _SpokenHere(key, first.identity(match), first.baggage(match), self, match)

    def values_of(self, match: Match) -> Values:
        """Return what the blocks speak of."""
        return self._said([match.value(number) for number in self._numbers])

    def pack(self, match: Match) -> bytes:
        """Return the values of the blocks as they came, one behind the other."""
        return match.packed(self._numbers)

    def unpacked(self, packed: bytes) -> Values:
        """Return what the blocks speak of, from what :meth:`pack` made."""
        return self._said(unpacked(packed))

    def _said(self, values: list[Value]) -> Values:
        """Put values, which are in the order of their sources, in their places."""
        said: Values = []
        at = 0
        for source in self._sources:
            said.append(source.value(values, at))
            at += source.count
        return said


@mypyc_attr(acyclic=True)
@final
class _SpokenHere(Spoken):
    """A frame as it came over the wire."""

    __slots__ = ("_known", "_match")

    def __init__(
        self, key: bytes, identity: Identity | None, baggage: bytes, known: _KnownPhrase, match: Match
    ) -> None:
        super().__init__(key, identity, baggage, known)
        self._known = known
        self._match = match

    def values(self) -> Values:
        """Return what the blocks speak of."""
        return self._known.values_of(self._match)

    def packed(self) -> bytes:
        """Return the values in little room."""
        return self._known.pack(self._match)


@final
class Script:
    """What all payloads of one shape say, but for their values."""

    __slots__ = ("_phrase", "_strict", "_tolds")

    def __init__(self, tolds: list[_MessageScript], strict: bool) -> None:
        self._tolds = tolds
        self._strict = strict
        self._phrase: _KnownPhrase | None = None if strict else _phrase(tolds)

    def speak(self, match: Match) -> Spoken | None:
        """Return what a payload says of one stream; ``None`` where :meth:`say` has to be asked."""
        return self._phrase.speak(match) if self._phrase is not None else None

    def say(self, match: Match) -> list[Told] | None:
        """Return what a payload tells; ``None`` where the readers have to see it."""
        if self._strict:
            for value in match.values():
                if isinstance(value, Binary):
                    return None
        said: list[Told] = []
        for script in self._tolds:
            told = script.say(match)
            if told is None or (self._strict and None in told.values):
                return None
            said.append(told)
        return said


def write_script(messages: Sequence[Message], strict: bool) -> tuple[list[list[int]], Script] | None:
    """Return which arguments differ in payloads like this one, message by message, and what these say.

    ``None`` where that cannot be told in advance: other families of messages, and what the readers complain about.
    """
    starts = all(message.name.startswith(stream.PREFIX) for message in messages)
    if not starts and not all(message.name.startswith(opentracing.PREFIX) for message in messages):
        return None
    if sum([len(message.arguments) for message in messages]) > MAX_ARGUMENTS:
        return None
    varying = [_varying_facts(message) if starts else _varying(message) for message in messages]
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
        return varying, Script(_scripts(messages, varying, translation.told, starts), strict)
    except _CannotSayError:
        return None


def _scripts(
    messages: Sequence[Message], varying: Sequence[Sequence[int]], tolds: Sequence[Told], starts: bool
) -> list[_MessageScript]:
    if not starts:
        return [_ToldScript(told) for told in tolds]
    scripts: list[_MessageScript] = []
    first = 0
    for message, numbers, told in zip(messages, varying, tolds, strict=True):
        scripts.append(_StartScript(message, first, told))
        first += len(numbers)
    return scripts


def _varying_facts(message: Message) -> list[int]:
    """Return which arguments of a message of ``stream.py`` have values that differ: all but the names of tags."""
    return [number for number, (name, _) in enumerate(message.arguments) if name != b"tag"]


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


def _phrase(scripts: list[_MessageScript]) -> _KnownPhrase | None:
    """Put messages together, if only the first says more than blocks."""
    tolds = [script for script in scripts if isinstance(script, _ToldScript)]
    if len(tolds) < len(scripts) or not all(told.says_blocks_alone for told in tolds[1:]):
        return None
    if len(tolds) > 1 and tolds[0].has_baggage and not any(block.span is not None for block in tolds[0].blocks):
        return None  # there may be no trace yet to take it
    return _KnownPhrase(tolds)


def _marker(number: int) -> bytes:
    return _SALT + b"%03d" % number


def _source(value: AttributeValue | None, text: bool) -> _Source:
    if not isinstance(value, bytes) or _SALT not in value:
        return _Source(value, 0, 0, text)
    count = len(value) // _MARKER_SIZE
    first = int(value[len(_SALT) : _MARKER_SIZE])
    if value != b"".join([_marker(number) for number in range(first, first + count)]):
        raise _CannotSayError
    return _Source(None, first, count, text)


def _value(text: bytes) -> int:
    """Return which value a text is."""
    source = _source(text, True)
    if source.count != 1:
        raise _CannotSayError
    return source.first
