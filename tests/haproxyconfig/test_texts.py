"""What is written for which HAProxy. That the files load and work is shown by real ones, in tests/peer."""

from __future__ import annotations

import re
from typing import Any

import pytest

from haproxy_telemetry import haproxyconfig as hc
from haproxy_telemetry.haproxyconfig import record

VERSIONS = ["2.6.12", "2.8.25", "3.0.11", "3.1.0", "3.2.26", "3.3.0", "3.4.0", "3.5-dev5"]
PROFILES = [profile.value for profile in hc.Profile]
EXAMPLE = hc.Example("127.0.0.1:8000", hc.parse_origin("127.0.0.1:8001"))


def written(version: str = "3.2", profile: str = "standard", **chosen: Any) -> dict[str, str]:
    options = hc.Options(hc.Profile(profile), hc.parse_version(version), **chosen)
    return {file.name: file.text for file in hc.generate(options, "haproxy-telemetry config x (1.0)")}


def directives(text: str) -> list[str]:
    """The lines that HAProxy reads."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def events(text: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r"^ +event (\S+)", text, re.MULTILINE)))


def together(files: dict[str, str]) -> list[str]:
    return [line for text in files.values() for line in directives(text)]


# Versions


@pytest.mark.parametrize("version", VERSIONS)
def test_the_agents_backend_has_the_mode_of_the_version(version: str) -> None:
    lines = directives(written(version)[hc.LINES])
    assert ("mode spop" in lines, "mode tcp" in lines) == ((version >= "3.1"), (version < "3.1"))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_users_log_format_is_never_taken(version: str) -> None:
    lines = directives(written(version)[hc.LINES])
    log = next(line for line in lines if line.startswith("log "))
    assert not any(line.startswith("log-format ") for line in lines)
    if version < "3.1":
        assert log == "log 127.0.0.1:7514 len 16384 format rfc5424 local0 info"
        assert len([line for line in lines if line.startswith("log-format-sd ")]) == 1
    else:
        assert log == "log 127.0.0.1:7514 len 8192 format raw profile otel-records local0 info"
        assert {"log-profile otel-records", "on any drop"} <= set(lines)
        formats = [line.partition(" format ") for line in lines if line.startswith("on ") and "format" in line]
        assert [step for step, _, _ in formats] == ["on error", "on close"]
        assert formats[0][2] == formats[1][2] != ""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("chosen", "written_so"),
    [
        ({}, False),  # it would turn each request line of their own log into <BADREQ>
        ({"own_log": False}, True),
        ({"example": EXAMPLE}, True),
        ({"mode": hc.Mode.TCP, "profile": "detailed"}, True),
    ],
    ids=["own log", "no own log", "example", "tcp"],
)
def test_log_steps_are_written_where_no_log_of_requests_suffers(
    version: str, chosen: dict[str, Any], written_so: bool
) -> None:
    lines = together(written(version, **chosen))
    assert ("log-steps close" in lines) == (written_so and version >= "3.1")
    assert len([line for line in lines if line.startswith("log-steps")]) <= 1


@pytest.mark.parametrize("chosen", [{"own_log": False}, {"example": EXAMPLE}], ids=["no own log", "example"])
@pytest.mark.parametrize("version", ["2.6.12", "2.8.25", "3.0.11"])
def test_up_to_3_0_the_record_is_the_format_of_a_frontend_without_a_log_of_its_own(
    version: str, chosen: dict[str, Any]
) -> None:
    lines = together(written(version, **chosen))
    assert "log 127.0.0.1:7514 len 8192 format raw local0 info" in lines
    assert len([line for line in lines if line.startswith("log-format")]) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_sizes_are_what_the_client_sent_and_got(version: str) -> None:
    """3.3.0 has %B and %U swapped, 3.4 has the server's bytes for %B, and 3.3.0 others for req.bytes_in."""
    text = written(version)[hc.LINES]
    sizes = ("%B", "%U") if version < "3.3" else ("%[res.bytes_out]", "%[bytes_in]")
    assert f'"B":"{sizes[0]}","U":"{sizes[1]}"' in text


@pytest.mark.parametrize("version", VERSIONS)
def test_a_complete_file_has_a_format_where_no_record_comes_without(version: str) -> None:
    assert ("log-format %ci:%cp" in together(written(version, example=EXAMPLE))) == version.startswith("3.1")


@pytest.mark.parametrize("version", VERSIONS)
def test_timeouts_that_are_ignored_are_not_written(version: str) -> None:
    lines = directives(written(version)[hc.SPOE])
    assert [line.split()[1] for line in lines if line.startswith("timeout ")] == (
        ["processing", "hello", "idle"] if version < "3.1" else ["processing"]
    )
    processing = next(line for line in lines if line.startswith("timeout processing"))
    assert int(re.findall(r"(\d+)ms", processing)[0]) <= 100


REQUEST = ["on-client-session", "on-frontend-tcp-request", "on-frontend-http-request", "on-backend-tcp-request",
           "on-backend-http-request"]  # fmt: skip
RESPONSE = ["on-server-session", "on-tcp-response", "on-http-response"]


@pytest.mark.parametrize(
    ("version", "cache", "response"),
    [
        ("2.6.12", False, []),
        ("2.8.25", True, RESPONSE),
        ("3.0.11", True, RESPONSE),
        ("3.1.0", True, RESPONSE),
        ("3.2.26", False, RESPONSE),
        ("3.2.26", True, ["on-http-response"]),
        ("3.3.0", True, ["on-http-response"]),
        ("3.4.0", False, ["on-http-response"]),
        ("3.5-dev5", False, ["on-http-response"]),
    ],
)
def test_events_that_hurt_a_version_are_left_out_and_the_file_says_why(
    version: str, cache: bool, response: list[str]
) -> None:
    text = written(version, "detailed", cache=cache)[hc.SPOE]
    assert events(text) == REQUEST + response
    for missing in set(RESPONSE) - set(response):
        assert f"# {missing} is left out: " in text


def test_every_span_of_detailed_starts_whatever_is_left_out() -> None:
    names = ["HAProxy session", "Client session", "Frontend TCP request", "Frontend HTTP request",
             "Backend TCP request", "Backend HTTP request", "Server session"]  # fmt: skip
    for version in VERSIONS:
        text = written(version, "detailed")[hc.SPOE]
        started = re.findall(r'span=str\("([^"]+)"\)(?: (?:child-of|follows-from)|\n +args +tag=str\("span.kind)', text)
        assert started[: len(names)] == names


@pytest.mark.parametrize("version", VERSIONS)
def test_a_span_refers_only_to_spans_that_were_started(version: str) -> None:
    for cache in (True, False):
        text = written(version, "detailed", cache=cache)[hc.SPOE]
        seen: set[str] = set()
        for name, rest in re.findall(r'span=str\("([^"]+)"\)(.*)', text):
            referred = re.findall(r'(?:child-of|follows-from|finish)=str\("([^"]+)"\)', rest)
            assert set(referred) <= seen
            seen.add(name)


def test_the_record_ends_the_rest() -> None:
    assert 'finish=str("*")' not in written("3.0", "detailed")[hc.SPOE]


# Profiles


def test_standard_asks_once_and_says_what_the_agent_needs() -> None:
    lines = directives(written()[hc.SPOE])
    start = lines.index("spoe-message otel:request")
    arguments = " ".join(line.removeprefix("args ") for line in lines[start + 1 :] if line.startswith("args "))
    names = [argument.partition("=")[0] for argument in arguments.split()]
    assert names == ["id", "up", "tp", "link", "ts", "t0", "fe", "ci", "cp", "m", "uri", "v", "host", "ua", "tls"]
    assert events(written()[hc.SPOE]) == ["on-frontend-http-request"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("mode", list(hc.Mode))
@pytest.mark.parametrize("version", ["3.0", "3.2"])
def test_a_service_is_told_by_the_record_and_by_the_first_message(version: str, mode: hc.Mode, profile: str) -> None:
    options = hc.Options(hc.Profile(profile), hc.parse_version(version), mode=mode)
    with_service = together(written(version, profile, mode=mode, service="edge"))
    assert [line.count('"svc":"edge"') for line in with_service if "log-format" in line or "on close" in line] == [1]
    told = [line for line in with_service if 'str("edge")' in line]
    tag, argument = 'args   tag=str("service.name") str("edge")', 'args svc=str("edge")'
    assert told == ([tag if profile == "detailed" else argument] if options.uses_spoe else [])
    assert not [line for line in together(written(version, profile, mode=mode)) if "svc" in line or "service" in line]


@pytest.mark.parametrize("version", VERSIONS)
def test_zero_wait_has_nothing_of_spoe(version: str) -> None:
    files = written(version, "zero-wait")
    assert list(files) == [hc.LINES]
    assert not [line for line in together(files) if "spoe" in line or "spop" in line or "backend" in line]


def test_in_tcp_mode_there_is_no_http() -> None:
    for version in VERSIONS:
        for profile in PROFILES:
            lines = together(written(version, profile, mode=hc.Mode.TCP))
            assert not [line for line in lines if "http" in line or "traceparent" in line or "req." in line]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_callers_header_is_never_replaced_by_nothing(profile: str) -> None:
    changes = [line for line in together(written(profile=profile)) if re.match(r"http-request (set|del)-header", line)]
    assert len(changes) == 2
    assert all("if { var(txn.otel_up) -m found }" in line for line in changes)


@pytest.mark.parametrize(
    ("trust", "believes", "links"), [("always", True, False), ("never", False, True), ("{ src ::1 }", True, True)]
)
def test_trust_says_whose_context_goes_on(trust: str, believes: bool, links: bool) -> None:
    lines = directives(written(trust=hc.parse_trust(trust))[hc.LINES])
    assert any("set-var(txn.otel_tp)" in line for line in lines) is believes
    assert any("set-var(txn.otel_link)" in line for line in lines) is links


def test_every_agent_has_a_server_line() -> None:
    agents = tuple(hc.parse_agent(text) for text in ["10.0.0.1:7000", "unix:/run/a b.sock", "[::1]:7000", "agent:7000"])
    lines = directives(written(agents=agents)[hc.LINES])
    assert [line for line in lines if line.startswith("server ")] == [
        "server agent1 10.0.0.1:7000",
        "server agent2 'unix@/run/a b.sock'",
        "server agent3 [::1]:7000",
        "server agent4 agent:7000 init-addr last,libc,none",
    ]
    assert {"balance hash thread", "option spop-check"} <= set(lines)


# Form


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("example", [None, EXAMPLE], ids=["lines", "example"])
def test_every_file_says_how_it_was_made_and_how_to_check_it(
    version: str, profile: str, example: hc.Example | None
) -> None:
    for text in written(version, profile, example=example).values():
        head = text.split("\n\n")[0]
        assert head.startswith("# ")
        assert "\n# Made by: haproxy-telemetry config x (1.0)\n" in head
        assert f"For HAProxy {version};" in head
        assert "haproxy -dW -c -f haproxy.cfg" in head
        assert text.isascii()
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert "\n\n\n" not in text


def test_every_line_for_a_frontend_stands_below_a_reason() -> None:
    for version in VERSIONS:
        text = written(version, "standard", trust=hc.parse_trust("inside"))[hc.LINES]
        frontend = text.partition("# 1. ")[2].partition("# 2. ")[0]
        groups = [group for group in frontend.split("\n\n") if group.startswith("    ")]
        assert len(groups) > 8
        assert all(group.startswith("    # ") for group in groups)


# The record

HTTP_KEYS = ["ht", "id", "up", "tp", "link", "ts", "t0", "t1", "T", "st", "tc", "fe", "be", "srv", "ci", "cp", "si",
             "sp", "B", "U", "rc", "m", "v", "uri", "host", "ua", "tls", "err", "held"]  # fmt: skip


def test_the_record_has_the_keys_of_the_contract() -> None:
    keys = re.findall(r'"(\w+)":', record.http_format())
    assert keys == HTTP_KEYS
    only_http = {"tp", "link", "ts", "t0", "st", "m", "v", "uri", "host", "ua", "tls"}
    assert re.findall(r'"(\w+)":', record.tcp_format()) == [key for key in HTTP_KEYS if key not in only_http]


def test_all_that_comes_from_outside_is_escaped() -> None:
    for name in ("m", "uri", "host", "ua", "ts"):
        assert f"%[var(txn.otel_{name}),json(utf8s)]" in record.http_format()


# The most bytes that each value can have in JSON: six for one of a client's, two where it must be printable.
LONGEST = {
    "id": 36, "up": 55, "tp": 55, "link": 0, "ts": 2 * record.TRACE_STATE_BYTES, "t0": 16, "t1": 16, "st": 3, "tc": 4,
    "fe": 100, "be": 100, "srv": 100, "ci": 45, "cp": 5, "si": 45, "sp": 5, "B": 20, "U": 20, "rc": 4,
    "m": record.METHOD_BYTES, "v": 8, "uri": 2 * record.TARGET_BYTES, "host": 6 * record.HOST_BYTES,
    "ua": 6 * record.USER_AGENT_BYTES, "tls": 1, "err": 3, "held": 8,
}  # fmt: skip


def test_the_longest_record_fits_into_the_line() -> None:
    timers = 6 * len('"86400000",')
    punctuation = sum(len(f'"{key}":"",') for key in HTTP_KEYS) + len("{}[]\n")
    assert sum(LONGEST.values()) + timers + punctuation <= record.LINE_BYTES
