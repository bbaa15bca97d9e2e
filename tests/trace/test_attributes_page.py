"""docs/attributes.md lists every attribute that the agent makes, with its type and where it stands; and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from streams import GOOD, START, UPSTREAM, identify, timers

from haproxy_telemetry.settings.routes import parse_route
from haproxy_telemetry.trace.conventions import KNOWN_METHODS, LIST_KEYS, SCHEMA_URL, Conventions
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.privacy import SECRET_KEYS
from haproxy_telemetry.trace.routes import RouteTable
from haproxy_telemetry.trace.spans import KIND_CLIENT, KIND_INTERNAL, KIND_SERVER, Attribute
from haproxy_telemetry.trace.stream import EndOfStream, Identity, StreamStart
from haproxy_telemetry.trace.streamspans import incomplete_spans, stream_spans

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "attributes.md").read_text()
TYPES = {bool: "bool", int: "int", float: "double", bytes: "string"}
KINDS = {KIND_SERVER: "SERVER", KIND_CLIENT: "CLIENT", KIND_INTERNAL: "INTERNAL"}
EXAMPLES = {"bool": "true|false", "int": r"\d+", "double": r"\d+\.\d+", "string": ".+"}
CONVENTIONS = Conventions(routes=RouteTable([(b"", b"/items")]))


class Row(NamedTuple):
    name: str
    type: str
    places: frozenset[str]
    example: str


def rows() -> list[Row]:
    lines = re.findall(r"^\| `([a-z_.]+)` \| (\w+) \| ([\w ]+) \| `([^`]+)` \|", PAGE, re.MULTILINE)
    return [Row(name, type_, frozenset(places.split()), example) for name, type_, places, example in lines]


ENDS = [
    GOOD,
    GOOD.replaced(
        request=GOOD.request.replaced(method=b"BREW"), retries=1, redispatched=True, spoe_error=257, spoe_ns=3_000_000
    ),
    GOOD.replaced(status=504, termination=b"sH--", timers=timers(0, 0, 0, None)),
    GOOD.replaced(tcp=True, status=0),
    GOOD.replaced(identity=Identity(upstream=UPSTREAM, untrusted=UPSTREAM.replace(b"b7", b"b8"))),
]


def made() -> set[tuple[str, str, str]]:
    """Name, type and place of all that comes of a number of streams that differ."""
    found: set[tuple[str, str, str]] = set()

    def note(attributes: tuple[Attribute, ...], place: str) -> None:
        found.update((key.decode(), TYPES[type(value)], place) for key, value in attributes)

    def spans(end: EndOfStream, phases: str) -> None:
        ids = IdSource()
        for span in stream_spans(end, identify(end.identity, ids), ids, phases, (), CONVENTIONS):
            note(span.attributes, KINDS[span.kind])
            for event in span.events:
                note(event.attributes, "event")
            for link in span.links:
                note(link.attributes, "link")

    for end in ENDS:
        for phases in ("spans", "events"):
            spans(end, phases)
    start = StreamStart(b"k", GOOD.identity, GOOD.request, START)
    for span in incomplete_spans(start, identify(GOOD.identity, IdSource()), START):
        note(span.attributes, "SERVER")
    return found


def test_what_is_made_is_what_is_listed_with_its_type_and_where_it_stands() -> None:
    assert made() == {(row.name, row.type, place) for row in rows() for place in row.places}


def test_haproxys_own_names_in_the_code_are_those_of_the_page() -> None:
    sources = sorted((ROOT / "src" / "haproxy_telemetry" / "trace").glob("*.py"))
    written = {name for path in sources for name in re.findall(r'b"(haproxy\.[a-z_.]+)"', path.read_text())}
    assert written == {row.name for row in rows() if row.name.startswith("haproxy.")}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_an_example_is_of_its_type(row: Row) -> None:
    assert re.fullmatch(EXAMPLES[row.type], row.example)


def test_no_attribute_is_listed_twice() -> None:
    names = [row.name for row in rows()]
    assert len(names) == len(set(names)) > 30


def test_the_page_names_what_the_code_has() -> None:
    assert f"`{SCHEMA_URL.decode()}`" in PAGE
    assert ", ".join(sorted(method.decode() for method in KNOWN_METHODS)) in PAGE
    assert all(f"`{key.decode()}`" in PAGE for key in SECRET_KEYS)
    assert all(key.decode() in PAGE for key in LIST_KEYS)


def test_the_templates_of_the_page_are_valid() -> None:
    [block] = re.findall(r"routes = \[\n(.*?)\]", PAGE, re.DOTALL)
    assert len([parse_route(text) for text in re.findall(r'"(.*)"', block)]) == 3
