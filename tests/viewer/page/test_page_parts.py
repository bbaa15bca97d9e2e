"""The page's pure modules, in the browser: what a person's trace seldom has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from viewer.page.browser import Pages, Visit, visit
from viewer.page.traces import Demo


@pytest.fixture(scope="module")
def parts(pages: Pages, demo: Demo) -> Iterator[Visit]:
    with visit(pages, demo.viewer) as one:
        yield one.go("/")


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0"),
        (999, "999 ns"),
        (1_000, "1 µs"),
        (340_499, "340 µs"),
        (999_600, "1 ms"),
        (19_712_345, "19.7 ms"),
        (999_600_000, "1 s"),
        (2_414_000_000, "2.41 s"),
        (200_000_000_000, "3 m 20 s"),
        (3_600_000_000_000, "1 h"),
        (90_061_000_000_000, "1 d 1 h"),
        (-1_500, "-1.5 µs"),
    ],
)
def test_durations(parts: Visit, ns: int, text: str) -> None:
    assert parts.module("format", "m.duration(a)", ns).replace("\u202f", " ") == text


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ('  a.b=1  c="two words" d=', {"a.b": "1", "c": "two words", "d": ""}),
        (r'a="say \"x\" \\"', {"a": r"say \"x\" \\".replace('\\"', '"').replace("\\\\", "\\")}),
        ("q=a=b&c", {"q": "a=b&c"}),
    ],
)
def test_tags_are_read_as_they_are_written(parts: Visit, text: str, tags: dict[str, str]) -> None:
    assert parts.module("searchparams", "m.parseTags(a)", text) == tags
    written = parts.module("searchparams", "Object.entries(a).map(([k, v]) => m.writeTag(k, v)).join(' ')", tags)
    assert parts.module("searchparams", "m.parseTags(a)", written) == tags


def otlp(*spans: tuple[str, str, int, int]) -> dict[str, Any]:
    """A trace of ``(id, parent, start, end)``; the id's first letter is its service."""
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": name[0]}}]},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": "00",
                                "spanId": name,
                                "parentSpanId": parent,
                                "name": name,
                                "startTimeUnixNano": str(1_790_000_000_000_000_000 + start),
                                "endTimeUnixNano": str(1_790_000_000_000_000_000 + end),
                            }
                        ]
                    }
                ],
            }
            for name, parent, start, end in spans
        ]
    }


def by_text(parts: Visit, function: str, data: object) -> Any:
    """Call a function of the browser. Playwright takes a minute for a value of 10,000 parts, and no time for text."""
    text = parts.page.evaluate(
        f"async (text) => JSON.stringify(await ({function})(JSON.parse(text)))", json.dumps(data)
    )
    return json.loads(text)


def critical(parts: Visit, *spans: tuple[str, str, int, int]) -> dict[str, list[list[int]]]:
    script = """async (data) => {
        const [{ readTrace }, { buildTree }, { criticalPath }] = await Promise.all(
            ["otlp", "tree", "critical"].map((name) => import(`/static/app/${name}.js`)));
        return Object.fromEntries(criticalPath(buildTree(readTrace(data)).roots).sections);
    }"""
    found: dict[str, list[list[int]]] = by_text(parts, script, otlp(*spans))
    return {name: sorted(sections) for name, sections in found.items()}


def test_the_critical_path_goes_through_the_child_that_ended_last(parts: Visit) -> None:
    # a waits for c (2 to 8); b ran beside it and was over earlier.
    found = critical(parts, ("a", "", 0, 10), ("b", "a", 1, 7), ("c", "a", 2, 8))
    assert found == {"a": [[0, 2], [8, 10]], "c": [[2, 8]]}


def test_one_child_after_another_is_the_path(parts: Visit) -> None:
    found = critical(parts, ("a", "", 0, 10), ("b", "a", 1, 4), ("c", "a", 5, 9), ("d", "c", 6, 8))
    assert found == {"a": [[0, 1], [4, 5], [9, 10]], "b": [[1, 4]], "c": [[5, 6], [8, 9]], "d": [[6, 8]]}


def test_a_child_that_outlives_its_parent_is_cut_to_it(parts: Visit) -> None:
    found = critical(parts, ("a", "", 0, 10), ("b", "a", 6, 15), ("c", "a", 1, 5))
    assert found == {"a": [[0, 1], [5, 6]], "b": [[6, 10]], "c": [[1, 5]]}


def shape(parts: Visit, data: dict[str, Any]) -> list[list[Any]]:
    script = """async (data) => {
        const [{ readTrace }, { buildTree, visibleRows }] = await Promise.all(
            ["otlp", "tree"].map((name) => import(`/static/app/${name}.js`)));
        const { roots } = buildTree(readTrace(data));
        return visibleRows(roots, new Set()).map((node) => [node.span.id, node.depth, node.orphan]);
    }"""
    found: list[list[Any]] = by_text(parts, script, data)
    return found


def test_spans_that_are_each_others_parents_all_have_a_row(parts: Visit) -> None:
    data = otlp(("a", "b", 0, 9), ("b", "a", 1, 8), ("c", "c", 2, 3))
    assert shape(parts, data) == [["c", 0, True], ["a", 0, True], ["b", 1, False]]


def test_a_trace_that_is_ten_thousand_spans_deep_is_a_tree(parts: Visit) -> None:
    deep = otlp(
        *(
            (f"{number:016x}", f"{number - 1:016x}" if number else "", number, 20_000 - number)
            for number in range(10_000)
        )
    )
    assert shape(parts, deep)[-1] == [f"{9_999:016x}", 9_999, False]
    assert len(critical(parts, *((f"s{n}", f"s{n - 1}" if n else "", n, 20_000 - n) for n in range(10_000)))) == 10_000


def test_a_span_that_ends_before_it_begins_has_no_length(parts: Visit) -> None:
    trace = parts.module("otlp", "m.readTrace(a).spans.map((span) => [span.start, span.end])", otlp(("a", "", 5, 1)))
    assert trace == [[0, 0]]


def test_values_of_all_kinds_are_shown(parts: Visit) -> None:
    values = [
        {"intValue": "9223372036854775807"},
        {"doubleValue": 0.5},
        {"boolValue": False},
        {"bytesValue": "AAE="},
        {"arrayValue": {"values": [{"stringValue": "x"}, {"intValue": "2"}]}},
        {"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "v"}}]}},
        {},
    ]
    pairs = [{"key": str(number), "value": value} for number, value in enumerate(values)]
    shown = parts.module("otlp", "m.attributes(a).map(([, value]) => m.show(value))", pairs)
    assert shown == ["9223372036854775807", "0.5", "false", "base64 AAE=", '["x",2]', '{"k":"v"}', ""]


def test_services_that_call_each_other_in_a_circle_have_their_places(parts: Visit) -> None:
    nodes = [{"service": name, "spans": 1, "errors": 0} for name in "abcd"]
    edges = [{"from": a, "to": b, "calls": 1, "errors": 0} for a, b in ("ab", "bc", "ca", "cc", "ad")]
    plan = parts.module("layout", "m.layOut(...a, false)", [nodes, edges])
    places = {node["service"]: node["x"] for node in plan["nodes"]}
    assert places["a"] < places["b"] == places["d"] < places["c"]
    assert len(plan["edges"]) == 5


def test_phases_that_are_told_as_events_are_phases(parts: Visit) -> None:
    span = {
        "events": [
            {
                "name": "wait for response",
                "time": 5,
                "attributes": [["haproxy.phase.duration", 0.000001]],
            },
            {"name": "something else", "time": 5, "attributes": []},
        ]
    }
    [phase] = parts.module("phases", "m.phaseEvents(a)", span)
    assert (phase["word"], phase["start"], phase["end"]) == ("wait", 5, 1005)
