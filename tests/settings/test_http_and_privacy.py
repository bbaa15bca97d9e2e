"""Routes, queries, addresses and methods as people set them: what each mistake is told as, and what comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from haproxy_telemetry.conventions import make_conventions, read_known_methods
from haproxy_telemetry.settings import Settings, SettingsError, load_settings
from haproxy_telemetry.trace.conventions import Conventions
from haproxy_telemetry.trace.privacy import shown_address, shown_query


def settings(folder: Path, text: str) -> Settings:
    path = folder / "agent.toml"
    path.write_text(text)
    return load_settings(path, {}, {})


def conventions(folder: Path, text: str) -> Conventions:
    return make_conventions(settings(folder, text), {})


def test_nothing_set_is_the_conventions_own() -> None:
    made = make_conventions(Settings(), {})
    assert made._replace(routes=Conventions().routes) == Conventions()
    assert len(made.routes) == 0


def test_routes_are_what_the_file_says_in_its_order(tmp_path: Path) -> None:
    routes = conventions(tmp_path, '[http]\nroutes = ["GET /a/{x}", "/a/{y}", "/b/{*rest}", "/"]').routes
    assert routes.match(b"GET", b"/a/1") == b"/a/{x}"
    assert routes.match(b"POST", b"/a/1") == b"/a/{y}"
    assert routes.match(b"GET", b"/b/1/2") == b"/b/{*rest}"


def test_routes_can_come_from_the_environment() -> None:
    found = load_settings(None, {"HAPROXY_TELEMETRY_HTTP_ROUTES": "GET /a/{x}, /b"}, {}).http.routes
    assert [str(route) for route in found] == ["GET /a/{x}", "/b"]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("users/{id}", "a template begins with a slash"),
        ("", "a template begins with a slash"),
        ("GET  /a", "'GET ' is no method"),
        ("G,T /a", "'G,T' is no method"),
        ("/users/{id", "{id is no variable"),
        ("/users/id}", "id} is no variable"),
        ("/users/{}", "{} is no variable"),
        ("/users/x{id}", "x{id} is no variable"),
        ("/users/{i-d}", "{i-d} is no variable"),
        ("/users/{id}{b}", "{id}{b} is no variable"),
        ("/{a}/{a}", "{a}: the name stands there twice"),
        ("/{*a}/b", "{*a} takes all the rest, so it must be the last segment"),
        ("/a?b={c}", "a template is a path, without a query"),
        ("/käse", "a path has printable ASCII only"),
        ("/a\\tb", "a path has printable ASCII only"),
        ("/" + "a" * 600, "a template of more than 512 characters"),
        ("/a" * 33, "a template of more than 32 segments"),
    ],
)
def test_a_wrong_template_is_told_with_file_line_key_and_template(tmp_path: Path, template: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, f'# first\n[http]\nroutes = ["/ok", "{template}"]')
    text = str(caught.value)
    assert text.startswith(f"{tmp_path}/agent.toml:3: [http] routes is '")
    assert said in text
    assert len(text) < 400 + len(str(tmp_path))


@pytest.mark.parametrize("other", ["/a/{x}", "/a/{y}"])
def test_a_template_that_never_could_match_is_a_mistake(tmp_path: Path, other: str) -> None:
    with pytest.raises(SettingsError, match="stands there twice"):
        settings(tmp_path, f'[http]\nroutes = ["/a/{{x}}", "{other}"]')


def test_the_number_of_templates_is_bounded(tmp_path: Path) -> None:
    routes = ", ".join(f'"/r{number}"' for number in range(1001))
    with pytest.raises(SettingsError, match="1000 at most"):
        settings(tmp_path, f"[http]\nroutes = [{routes}]")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("query_values = 'hide'", "[privacy] query_values is 'hide': expected one of redact, keep"),
        ("client_address = 'none'", "[privacy] client_address is 'none': expected one of whole, truncate, hash"),
        ("query_allow = ['a=b']", "[privacy] query_allow is 'a=b': expected the name of a query's parameter"),
        ("query_allow = ['']", "[privacy] query_allow is '': expected the name"),
        ("query_alow = ['a']", "unknown setting [privacy] query_alow; did you mean [privacy] query_allow?"),
        ("hash_key_file = '/k'", "but [privacy] client_address is whole: the key is for hash"),
    ],
)
def test_a_wrong_privacy_is_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, f"[privacy]\n{text}")
    assert said in str(caught.value)


def test_queries_as_they_are_set(tmp_path: Path) -> None:
    privacy = conventions(tmp_path, "[privacy]\nquery_values = 'keep'\n").privacy
    assert shown_query(privacy, b"a=1") == b"a=1"
    privacy = conventions(tmp_path, "[privacy]\nquery_allow = ['größe']\n").privacy
    assert shown_query(privacy, b"gr%C3%B6%C3%9Fe=1&b=2") == b"gr%C3%B6%C3%9Fe=1&b=REDACTED"


# The key


HASHED = "[privacy]\nclient_address = 'hash'\n"


def test_without_a_key_each_start_makes_one(tmp_path: Path) -> None:
    one, other = (conventions(tmp_path, HASHED).privacy for _ in range(2))
    assert shown_address(one, b"192.0.2.7") == shown_address(one, b"192.0.2.7")
    assert shown_address(one, b"192.0.2.7") != shown_address(other, b"192.0.2.7")


def test_with_a_key_every_agent_writes_the_same(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"0123456789abcdef\n")
    one, other = (conventions(tmp_path, f"{HASHED}hash_key_file = '{tmp_path}/key'").privacy for _ in range(2))
    assert shown_address(one, b"192.0.2.7") == shown_address(other, b"192.0.2.7")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"short\n", "the key of [privacy] hash_key_file has 5 bytes, not 16 to 4096"),
        (b"x" * 5000, "has 4097 bytes"),
    ],
)
def test_a_key_that_is_none_is_told(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        conventions(tmp_path, f"{HASHED}hash_key_file = '{tmp_path}/key'")
    assert str(caught.value).startswith(f"{tmp_path}/key: ")
    assert said in str(caught.value)


# Methods


VARIABLE = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"


def test_the_variables_methods_replace_the_conventions() -> None:
    assert read_known_methods({VARIABLE: "GET, purge,PROPFIND"}) == {b"GET", b"purge", b"PROPFIND"}
    assert read_known_methods({VARIABLE: " "}) == read_known_methods({}) == Conventions().known_methods


@pytest.mark.parametrize("value", ["GET,", "GET;POST", "G T", "ü", "x" * 33, ",".join(f"M{n}" for n in range(101))])
def test_a_method_that_is_none_is_told(value: str) -> None:
    with pytest.raises(SettingsError, match=f"^environment: {VARIABLE} is "):
        read_known_methods({VARIABLE: value})
