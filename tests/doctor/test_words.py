"""The language of the configuration: words, variables, conditional blocks, sections, inheritance, SPOE files.

What is expected comes from the manual (2.2 to 2.4, 4) and SPOE.txt, not from the code.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from doctor.clinic import PROXY, RECORDS, SCOPES, SPOE, admit, findings_of, replaced
from haproxy_telemetry.doctor.configuration import Source, parse_sections
from haproxy_telemetry.doctor.files import read_setup
from haproxy_telemetry.doctor.proxies import alternatives_of, make_proxies, parse_time
from haproxy_telemetry.doctor.setup import Setup
from haproxy_telemetry.doctor.spoe import make_engine
from haproxy_telemetry.doctor.version import parse_banner, parse_version
from haproxy_telemetry.doctor.words import split_words

ENVIRON = {"HOST": "127.0.0.1", "EMPTY": "", "LIST": "a b  c"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  # a comment", []),
        ("server a 1:2 # a comment", ["server", "a", "1:2"]),
        (r"log-format %{+Q}o\ %t\ %s\ %{-Q}r", ["log-format", "%{+Q}o %t %s %{-Q}r"]),
        ('log-format "%{+Q}o %t %s %{-Q}r"', ["log-format", "%{+Q}o %t %s %{-Q}r"]),
        ("log-format '%{+Q}o %t %s %{-Q}r'", ["log-format", "%{+Q}o %t %s %{-Q}r"]),
        ("""log-format "%{+Q}o %t"' %s %{-Q}r'""", ["log-format", "%{+Q}o %t %s %{-Q}r"]),
        (r"""a "it's" 'say "x"' \" \' \# \\ \x41""", ["a", "it's", 'say "x"', '"', "'", "#", "\\", "A"]),
        (r"""acl x path -m reg ^/a\.b$ "\$HOST" """, ["acl", "x", "path", "-m", "reg", r"^/a\.b$", "$HOST"]),
        (r"'\n$HOST # \'", [r"\n$HOST # " + "\\"]),
        ('bind "$HOST:1" "${HOST}:2" $HOST', ["bind", "127.0.0.1:1", "127.0.0.1:2", "$HOST"]),
        ('x "${NONE-x:3}" "${EMPTY-x}" "$NONE"', ["x", "x:3", "", ""]),
        ('x "${LIST}" "${LIST[*]}"', ["x", "a b  c", "a", "b", "", "c"]),
        ('x "" y', ["x", "", "y"]),
        ('x "never closed # y', ["x", "never closed # y"]),
        ("a\\", ["a\\"]),
        ('"$"', ["$"]),
    ],
)
def test_a_line_becomes_words(line: str, words: list[str]) -> None:
    assert split_words(line, ENVIRON) == words


def lines_of(text: str, version: str = "2.8.25") -> list[str]:
    sections, _ = parse_sections([Source("f", text)], ENVIRON, parse_version(version))
    return [line.text for section in sections for line in section.lines]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("", False),
        ("0", False),
        ("1", True),
        ("defined(HOST)", True),
        ("defined(NONE)", False),
        ("!defined(NONE)", True),
        ('streq("$HOST",127.0.0.1)', True),
        ("strneq(a,a)", False),
        ("version_atleast(2.8)", True),
        ("version_atleast(2.8.26)", False),
        ("version_before(3.0)", True),
        ("version_before(2.8.25)", False),
        ("version_atleast(2.6) && version_before(2.8)", False),
        ("0 && 0 || 1", True),
        ("0 && ( 0 || 1 )", False),
        ("! ( 0 || 1 )", False),
        ("feature(OPENSSL)", True),
    ],
)
def test_conditions_of_blocks(condition: str, holds: bool) -> None:
    text = f"global\n.if {condition}\nyes\n.else\nno\n.endif\nafter"
    assert lines_of(text) == ["yes" if holds else "no", "after"]


def test_blocks_nest_and_have_one_branch() -> None:
    text = "global\n.if 0\n.if 1\na\n.endif\n.elif 1\nb\n.elif 1\nc\n.else\nd\n.endif\n.notice hello\n.endif\ne"
    assert lines_of(text) == ["b", "e"]


def test_the_environment_is_what_global_makes_of_it() -> None:
    text = 'global\nsetenv A 1\npresetenv A 2\npresetenv B 3\nunsetenv HOST\nx "$A$B$HOST"\nresetenv B\ny "$A$B"'
    assert [line for line in lines_of(text) if line[0] in "xy"] == ["x 13", "y 3"]


def test_a_proxy_inherits_from_the_last_defaults_or_the_one_it_names() -> None:
    text = """
    frontend none
    defaults http
      mode http
      option spop-check
    frontend first
    defaults from http
      log global
    backend second
      no option spop-check
    backend third from http
      mode tcp
    defaults
    backend fourth
    """
    proxies = make_proxies(parse_sections([Source("f", text)], {}, None)[0])
    seen = {proxy.name: (proxy.mode, proxy.option("spop-check"), bool(proxy.last("log"))) for proxy in proxies}
    assert seen == {
        "none": ("tcp", False, False),
        "first": ("http", True, False),
        "second": ("http", False, True),
        "third": ("tcp", True, False),
        "fourth": ("tcp", False, False),
    }


def test_servers_have_what_default_server_says_before_them() -> None:
    text = """
    backend b
      server a 1:1
      default-server check maxconn 3
      server b 1:2 no-check
      server c 1:3 maxconn 4
    """
    (proxy,) = make_proxies(parse_sections([Source("f", text)], {}, None)[0])
    seen = [(s.name, "check" in s.parameters, s.parameters.get("maxconn")) for s in proxy.servers]
    assert seen == [("a", False, None), ("b", False, "3"), ("c", True, "4")]


def test_conditions_of_rules() -> None:
    text = "frontend f\n http-request deny if a !b { path -i /x } or !{ src 1 }\n http-request deny"
    first, second = parse_sections([Source("f", text)], {}, None)[0][0].lines
    seen = [[(term.negated, term.words) for term in terms] for terms in alternatives_of(first)]
    assert seen == [[(False, ("a",)), (True, ("b",)), (False, ("path", "-i", "/x"))], [(True, ("src", "1"))]]
    assert alternatives_of(second) == []


@pytest.mark.parametrize(
    "rule", ["http-request deny if {", "http-request deny if { a", "http-request x if !", "x y unless"]
)
def test_a_condition_without_its_end_is_left_to_haproxy(rule: str) -> None:
    (line,) = parse_sections([Source("f", f"frontend f\n{rule}")], {}, None)[0][0].lines
    alternatives_of(line)


@pytest.mark.parametrize(
    ("text", "ms"), [("20", 20), ("20ms", 20), ("1s", 1000), ("500us", 0.5), ("1m", 60_000), ("x", None), ("1y", None)]
)
def test_times(text: str, ms: float | None) -> None:
    assert parse_time(text) == ms


def test_the_scopes_of_a_spoe_file() -> None:
    text = "spoe-agent outside\n[one]\nspoe-agent a\nmessages m n\nmessages o\n[two]\nspoe-agent b\nspoe-message m\n"
    sections, _ = parse_sections([Source("f", text)], {}, None)
    agents = {scope: engine.agent for scope in ("", "one", "two") if (engine := make_engine(sections, scope))}
    assert {scope: agent.name for scope, agent in agents.items()} == {"": "outside", "one": "a", "two": "b"}
    assert agents["one"].listed("messages") == {"m", "n", "o"}
    assert agents["one"].prefix == "a"
    assert make_engine(sections, "three") is None


def test_arguments_keep_their_order_and_those_without_a_name_have_none() -> None:
    args = 'args id=unique-id tag=str("k=v") method\n args str(a=b)'
    text = f"[e]\nspoe-agent a\nspoe-message m\n {args}\n event on-x if y\n"
    engine = make_engine(parse_sections([Source("f", text)], {}, None)[0], "e")
    assert engine is not None
    (message,) = engine.messages
    expected = [("id", "unique-id"), ("tag", "str(k=v)"), ("", "method"), ("", "str(a=b)")]
    assert [(argument.name, argument.sample) for argument in message.arguments] == expected
    assert message.event == "on-x"


@pytest.mark.parametrize(
    ("banner", "number"),
    [
        ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/\nStatus: x", (2, 6, 12, None)),
        ("HA-Proxy version 1.9.0 2018/12/19", (1, 9, 0, None)),
        ("HAProxy version 3.5-dev5-1b9c8d 2026/09/01 -", (3, 5, None, 5)),
        ("nginx version 1.2.3", None),
    ],
)
def test_what_haproxy_says_about_its_version(banner: str, number: tuple[int, ...] | None) -> None:
    version = parse_banner(banner)
    assert (version and (version.major, version.minor, version.patch, version.dev)) == number


def test_a_spoe_file_is_looked_for_where_haproxy_does_then_beside_the_configuration(tmp_path: Path) -> None:
    assert findings_of(admit(tmp_path)) == []  # beside it: the working directory is another one
    (tmp_path / "sub").mkdir()
    (tmp_path / "spoe.cfg").unlink()
    for line in (f"default-path origin {tmp_path}/sub", "default-path parent", "default-path config"):
        folder = tmp_path / "conf"
        folder.mkdir(exist_ok=True)
        setup = admit(folder, replaced(PROXY, "global\n", f"global\n    {line}\n"))
        right = {"origin": tmp_path / "sub", "parent": tmp_path, "config": folder}[line.split()[1]]
        if right != folder:
            (folder / "spoe.cfg").rename(right / "spoe.cfg")
            setup = admit_again(folder)
        assert [one.problem for one in setup.filters] == [""]
        for path in tmp_path.rglob("spoe.cfg"):
            path.unlink()


def admit_again(folder: Path) -> Setup:
    """As clinic.admit, without writing the files."""
    return read_setup([str(folder / "haproxy.cfg")], {}, None, RECORDS, SCOPES)


def test_a_path_that_no_file_can_have(tmp_path: Path) -> None:
    setup = admit(tmp_path, replaced(PROXY, "config spoe.cfg", r"config a\x00b"))
    assert [one.problem[:13] for one in setup.filters] == ["the SPOE file"]


def test_several_files_and_folders_are_one_configuration(tmp_path: Path) -> None:
    head, tail = PROXY.split("\nbackend origin\n")
    folder = tmp_path / "conf.d"
    folder.mkdir()
    (tmp_path / "a.cfg").write_text(head)
    (tmp_path / "spoe.cfg").write_text(SPOE)
    (folder / "10.cfg").write_text("backend origin\n" + tail)
    (folder / "20.cfg").write_text("backend unused\n")
    (folder / "README").write_text("frontend no\n")
    setup = read_setup([str(tmp_path / "a.cfg"), str(folder)], {}, None, RECORDS, SCOPES)
    assert [proxy.name for proxy in setup.proxies] == ["web", "origin", "agents", "unused"]
    assert setup.proxies[1].mode == "http"  # inherited across files
    assert findings_of(setup) == []
