"""``http.route``: which template a path is one of, whatever the path is."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haproxy_telemetry.trace import routes as module
from haproxy_telemetry.trace.routes import RouteTable
from ways import reaches_inside


def table(*templates: str) -> RouteTable:
    pairs = [text.rpartition(" ")[::2] for text in templates]
    return RouteTable([(method.encode(), template.encode()) for method, template in pairs])


USERS = table("/users", "/users/{id}", "GET /users/{id}/orders", "/static/{*rest}", "/", "/v1/{*all}")


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/users", "/users"),
        ("/users/7", "/users/{id}"),
        ("/users/%2e%2E", "/users/{id}"),
        ("/users/", ""),
        ("/users/7/", ""),
        ("//users/7", ""),
        ("/users/7/orders", "/users/{id}/orders"),
        ("/users//orders", ""),
        ("/users/7/orders/8", ""),
        ("/Users/7", ""),
        ("/static", ""),
        ("/static/", "/static/{*rest}"),
        ("/static/a//b/", "/static/{*rest}"),
        ("/", "/"),
        ("", ""),
        ("*", ""),
        ("users/7", ""),
        ("/" + "a/" * 10_000, ""),
        ("/v1/" + "a/" * 10_000, "/v1/{*all}"),
    ],
)
def test_a_path_is_one_of_a_template(path: str, route: str) -> None:
    assert USERS.match(b"GET", path.encode()) == route.encode()


def test_a_template_may_be_for_one_method() -> None:
    assert USERS.match(b"POST", b"/users/7/orders") == b""
    assert table("POST /a/{b}", "/a/{c}").match(b"POST", b"/a/1") == b"/a/{b}"
    assert table("POST /a/{b}", "/a/{c}").match(b"GET", b"/a/1") == b"/a/{c}"


@pytest.mark.parametrize(
    ("templates", "route"),
    [
        (["/a/{x}", "/a/b"], "/a/{x}"),
        (["/a/b", "/a/{x}"], "/a/b"),
        (["/{*all}", "/a/b"], "/{*all}"),
        (["/{x}/c", "/a/{y}", "/{*all}"], "/a/{y}"),
        (["POST /a/b", "/{x}/b", "/a/b"], "/{x}/b"),
    ],
)
def test_the_first_that_matches_counts_however_exact_another_is(templates: list[str], route: str) -> None:
    assert table(*templates).match(b"GET", b"/a/b") == route.encode()


def test_without_templates_there_is_no_route() -> None:
    assert RouteTable().match(b"GET", b"/") == b""


# Against an implementation that tries one after the other

SEGMENTS = st.sampled_from(["a", "b", "", "{x}"])
TEMPLATES = st.builds(
    lambda method, segments, rest: f"{method}/" + "/".join([*segments, *rest]),
    st.sampled_from(["", "GET ", "POST "]),
    st.lists(SEGMENTS, min_size=1, max_size=4),
    st.sampled_from([[], ["{*rest}"]]),
)


def one_by_one(templates: list[str], method: str, path: str) -> str:
    for text in templates:
        wanted, _, template = text.rpartition(" ")
        pattern = re.escape(template).replace(r"\{x\}", "[^/]+").replace(r"\{\*rest\}", ".*")
        if wanted in ("", method) and re.fullmatch(pattern, path, re.DOTALL):
            return template
    return ""


@given(
    st.lists(TEMPLATES, max_size=12),
    st.sampled_from(["GET", "POST", "PUT"]),
    st.lists(st.sampled_from(["a", "b", "", "c"]), max_size=7),
)
def test_the_tree_says_what_trying_all_would_say(templates: list[str], method: str, segments: list[str]) -> None:
    path = "/" + "/".join(segments)
    assert table(*templates).match(method.encode(), path.encode()).decode() == one_by_one(templates, method, path)


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_any_bytes_give_a_template_or_nothing(path: bytes, method: bytes) -> None:
    known = {b"", b"/users", b"/users/{id}", b"/users/{id}/orders", b"/static/{*rest}", b"/", b"/v1/{*all}"}
    assert USERS.match(method, path) in known
    assert USERS.match(method, b"/users/" + path) in known


@reaches_inside
def test_the_work_is_bounded_by_the_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    """1000 templates that differ by a literal against a variable at every step: no node is looked into twice."""
    depth = 9
    shapes = list(product(["a", "{x}"], repeat=depth))[:500]
    bad = table(*("/" + "/".join(shape) + end for shape in shapes for end in ("/y", "/z")))
    looked = 0
    original = module._find

    def counting(*arguments: object) -> int:
        nonlocal looked
        looked += 1
        return original(*arguments)  # type: ignore[arg-type]  # handed through

    monkeypatch.setattr(module, "_find", counting)
    assert bad.match(b"GET", b"/a" * depth + b"/no") == b""
    assert looked <= 2 * 2**depth
    looked = 0
    assert bad.match(b"GET", b"/a" * 10_000) == b""
    assert looked <= 2 * 2**depth
