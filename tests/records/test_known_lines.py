"""A line that is like others says exactly what the reader says of it, whatever its values and whatever happened to it.

The reader is the truth; cutting a line where lines differ is only faster.
"""

from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scenarios import RECORDED, Scenario, parse_frames
from haproxy_telemetry.haproxyconfig.record import http_format
from haproxy_telemetry.records import RecordError
from haproxy_telemetry.records.known import DATA, LINE, MAX_KNOWN
from haproxy_telemetry.records.parse import MAX_LINE_BYTES, parse_datagram, read_datagram
from haproxy_telemetry.trace.http import verdict_of
from haproxy_telemetry.trace.stream import EndOfStream
from records.golden import VERSIONS, WITH_DATA, as_data, lines

LINES = [line for version in VERSIONS for some in lines(version).values() for line in some]
AS_DATA = [line for version in WITH_DATA for some in as_data(version).values() for line in some]
GET = lines("3.2.26")["get"][0]
VALUES = st.one_of(
    st.sampled_from(
        (b"-", b"-1", b"", b"+2", b"0", b"65535", b"65536", b"9" * 9, b"9" * 16, b"9" * 18, b"9" * 20, b"GET",
         b"<BADREQ>", b"<NOSRV>", b"\\/", b"\\/a?b=c", b"\\\\/", b"\\\\", b'\\"', b"\\u0041", b"a\\",
         b"http:\\/\\/a\\/b", b"\x01", b"\x7f", "é".encode(), b"\xff", b"SC--", b"sQ--", b"CD", b"web~",
         b"1795468869816592")
    ),
    st.binary(max_size=6),
    st.integers(0, 10**19).map(lambda number: b"%d" % number),
)  # fmt: skip


def same(datagram: bytes) -> None:
    """The first time a line may be read, the second time it is known."""
    truth = [repr(one) for one in read_datagram(datagram)]
    for _ in range(2):
        assert [repr(one) for one in parse_datagram(datagram)] == truth


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A line of HAProxy's with other values, of which each may stand where HAProxy would not write it."""
    parts = draw(st.sampled_from(LINES + AS_DATA)).split(b'"')
    for _ in range(draw(st.integers(1, 3))):
        parts[draw(st.integers(1, len(parts) - 2))] = draw(VALUES)
    return b'"'.join(parts) + draw(st.sampled_from((b"", b"\n", b"\r\n", b"\0", b" \n\n", b"\n{")))


@given(changed())
def test_other_values(datagram: bytes) -> None:
    same(GET)  # of a kind that is known, so that most of the changed ones are too
    same(datagram)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(LINES + AS_DATA)))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        data[start : start + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data)


@given(damaged())
def test_damaged_lines(datagram: bytes) -> None:
    same(datagram)


@pytest.mark.parametrize("version", VERSIONS)
def test_haproxys_own_lines(version: str) -> None:
    for datagrams in lines(version).values():
        for datagram in datagrams:
            same(datagram)


@pytest.mark.parametrize("version", WITH_DATA)
def test_haproxys_own_lines_of_structured_data(version: str) -> None:
    for datagrams in as_data(version).values():
        for datagram in datagrams:
            same(datagram)


# Else all of this would be slow and right, and nobody would notice


UNREAD = ("tcp", "strange-text", "half-request", "request-timeout", "bad-request")


@pytest.mark.parametrize("version", WITH_DATA)
def test_structured_data_is_recognised(version: str) -> None:
    for scenario, [datagram] in as_data(version).items():
        assert (DATA.fullmatch(datagram) is not None) == (scenario not in UNREAD)


@pytest.mark.parametrize("scenario", RECORDED, ids=lambda one: one.name)
def test_what_haproxy_logs_is_recognised(scenario: Scenario) -> None:
    frames = parse_frames(scenario.path.read_text())
    assert LINE.fullmatch(frames.filled_record(frames.values))


@pytest.mark.parametrize("with_worker", [False, True])
@pytest.mark.parametrize("service", ["", "edge"])
def test_every_format_that_is_generated_for_http_is_recognised(service: str, with_worker: bool) -> None:
    numbers = dict.fromkeys(("t0", "t1"), "1795468869816592") | dict.fromkeys(("w", "cp", "sp", "B", "U", "tls"), "1")
    text = http_format(service, with_worker=with_worker).removeprefix("%{-M}o")
    line = re.sub(r'"(\w+)":"%[^"]*"', lambda found: f'"{found[1]}":"{numbers.get(found[1], "-")}"', text)
    line = re.sub(r'"%T[a-zR]"', '"1"', line)
    assert LINE.fullmatch(line.encode())
    assert "w" in line.partition("id")[0] or not with_worker


def read(line: bytes) -> EndOfStream:
    (end,) = parse_datagram(line)
    assert isinstance(end, EndOfStream)
    return end


def test_what_follows_is_shared_by_lines_that_are_alike_and_by_no_others() -> None:
    first, second = read(GET), read(GET.replace(b"61cefd87", b"61cefd88"))
    assert first.key != second.key
    assert first.alike is second.alike
    assert verdict_of(first) is verdict_of(second)
    for other in (
        GET.replace(b'"st":"200"', b'"st":"500"'),
        GET.replace(b'"m":"GET"', b'"m":"PUT"'),
        GET.replace(b'"tls":"0"', b'"tls":"1"'),
        GET.replace(b'"rc":"0"', b'"rc":"1"'),
        GET.replace(b'["0","0","0","0"', b'["0","0","0","-1"'),
        GET.replace(b'"si":"127.0.0.1"', b'"si":"127.0.0.2"'),
        GET.replace(b'"tp"', b'"svc":"edge","tp"'),
    ):
        assert other != GET
        assert read(other).alike is not first.alike


def test_a_changed_copy_is_not_like_the_one_it_was_made_of() -> None:
    end = read(GET)
    assert end.replaced(status=500).alike is not end.alike
    assert end.replaced() == end


def test_what_is_known_is_bounded() -> None:
    first = read(GET)
    for number in range(MAX_KNOWN + 1):
        assert read(GET.replace(b'"be":"origin"', b'"be":"origin%d"' % number)).backend == b"origin%d" % number
    assert read(GET).alike is not first.alike
    long = GET.replace(b'"be":"origin"', b'"be":"%s"' % (b"x" * 1000))
    assert read(long).alike is not read(long).alike


def test_of_a_line_that_is_known_nothing_is_kept_that_may_be_long() -> None:
    """A client may choose the method, and so make kinds, and a target for each."""
    long = GET.replace(b'"uri":"', b'"uri":"%s' % (b"x" * 50_000))
    tracemalloc.start()
    try:
        for number in range(200):
            assert len(read(long.replace(b'"m":"GET"', b'"m":"GET%d"' % number)).request.target) > 50_000
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_line_beyond_the_limit_is_not_looked_into() -> None:
    [error] = parse_datagram(GET + b" " * MAX_LINE_BYTES)
    assert isinstance(error, RecordError)
    assert error.reason == "too_long"
