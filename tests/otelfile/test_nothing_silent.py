"""Every key of OpenTelemetry's schema is honoured, said or refused: none is passed over.

The schema is that of the installed package. Each key is added to the smallest file that can have it; what comes of
the file must then differ.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import opentelemetry.configuration

from haproxy_telemetry.otelfile import OtelFileError
from haproxy_telemetry.otelfile.translate import translate

Node = dict[str, Any]
Wrap = Callable[[Any], Node]

SCHEMA: Node = json.loads((Path(opentelemetry.configuration.__file__).parent / "schema.json").read_text())
ALIKE = {"disabled", "tracer_provider.id_generator"}
"""Where all is off, `disabled` changes nothing; `random`, the one generator that is taken, is the agent's own."""

SOME: Node = {
    "string": ("file:///tmp/x", "b3"),
    "integer": (7,),
    "number": (0.5,),
    "boolean": (True, False),
}


class Key(NamedTuple):
    """A key of the schema: the smallest files without it and with each value to try."""

    path: str
    without: Node
    files: list[Node]


def resolved(node: Node) -> Node:
    while "$ref" in node or "oneOf" in node:
        node = node["oneOf"][0] if "oneOf" in node else SCHEMA["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def kind(node: Node) -> str:
    kinds = node.get("type", "object")
    return str(next(one for one in kinds if one != "null") if isinstance(kinds, list) else kinds)


def is_choice(node: Node) -> bool:
    """One key of several says what it is: `batch` or `simple`."""
    return node.get("maxProperties") == 1


def is_container(node: Node) -> bool:
    """Empty, it says nothing; its keys are looked at."""
    node = resolved(node)
    return kind(node) == "object" and bool(node.get("properties")) and smallest(node) == {}


def is_whole(place: str, outcome: tuple[Any, ...]) -> bool:
    """Say whether it is refused, or said, with all that is in it."""
    return outcome[0] == "refused" or f"{place} decides nothing here" in outcome[-1]


def smallest(node: Node) -> Any:
    node = resolved(node)
    what = kind(node)
    if what == "array":
        return [smallest(node["items"])]
    if what != "object":
        return values(node)[0]
    properties = node.get("properties", {})
    names = list(node.get("required", ()))
    if is_choice(node):
        names = [next(iter(properties))]
    return {name: smallest(properties[name]) for name in names}


def values(node: Node) -> list[Any]:
    """Return values of which one at least is not the default."""
    node = resolved(node)
    what = kind(node)
    if "enum" in node:
        return [one for one in node["enum"] if one is not None]
    if is_choice(node):
        return [{name: smallest(below)} for name, below in node["properties"].items()]
    return list(SOME[what]) if what in SOME else [smallest(node)]


def keys(node: Node, wrap: Wrap, path: str = "") -> Iterator[Key]:
    """Give each key below a node; ``wrap`` makes a whole file of what stands at the node."""
    node = resolved(node)
    if kind(node) == "array":
        yield from keys(node["items"], lambda item: wrap([item]), path)
    for name, below in node.get("properties", {}).items() if kind(node) == "object" else ():
        base = {} if is_choice(node) else smallest(node)
        place = f"{path}.{name}" if path else name
        without = {key: value for key, value in base.items() if key != name}
        files = [wrap({**without, name: value}) for value in values(below)]
        if name not in base and not is_choice(node) and not is_container(below):
            yield Key(place, wrap(base), files)

        def around(value: Any, rest: Node = without, name: str = name) -> Node:
            return wrap({**rest, name: value})

        if not all(is_whole(place, comes_to(file)) for file in files):
            yield from keys(below, around, place)


def comes_to(file: Node) -> tuple[Any, ...]:
    try:
        made = translate(copy.deepcopy(file))
    except OtelFileError as error:
        return "refused", str(error)
    return "taken", made.environ, {name: own.value for name, own in made.settings.items()}, made.said


def test_no_key_of_the_schema_is_passed_over() -> None:
    silent, seen = set(), set()
    for key in keys(SCHEMA, lambda value: {"file_format": "1.0", **value}):
        seen.add(key.path)
        before = comes_to(key.without)
        if all(comes_to(file) == before for file in key.files):
            silent.add(key.path)
    assert {"resource.attributes.type", "meter_provider.views", "tracer_provider.sampler"} <= seen
    assert silent == ALIKE
    assert len(seen) > 120
