"""The recorder by itself: what it writes, what it loses, and how large its files become."""

from __future__ import annotations

import json
import resource
import threading
from pathlib import Path
from typing import Any

import pytest

from haproxy_telemetry.recorder import record
from haproxy_telemetry.recorder.capture import BEGIN
from haproxy_telemetry.recorder.cutting import Cutter
from haproxy_telemetry.recorder.files import NoRecordingError, Ring, before, check_recording, parts
from haproxy_telemetry.recorder.record import Recorder
from haproxy_telemetry.recorder.redact import Redactor
from haproxy_telemetry.stats import Stats
from server.running_agent import hello, made, message, stream, wait_for

MS = 1_000_000


def recorder(file: Path, stats: Stats | None = None, size: int = 1 << 20, redactor: Redactor | None = None) -> Recorder:
    return Recorder(
        Ring(file, size),
        stats or Stats(),
        version="1.2.3",
        epoch_ns=1_700_000_000_000 * MS,
        run="ab",
        largest_frame=1 << 20,
        redactor=redactor,
    )


def lines(*files: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def at(ms: int) -> int:
    return (1_700_000_000_000 + ms) * MS


@pytest.mark.parametrize("step", [1, 7, 100, 100_000])
def test_frames_are_found_in_any_chunking(step: int) -> None:
    frames = [hello(), *stream(1)]
    data = b"".join(frames)
    cutter = Cutter(1 << 20)
    found = [frame for pos in range(0, len(data), step) for frame in cutter.feed(data[pos : pos + step])]
    assert found == [frame[4:] for frame in frames]
    assert cutter.rest() == b""


def test_a_frame_above_the_limit_is_not_waited_for() -> None:
    cutter = Cutter(1000)
    assert cutter.feed(b"GET / HTTP/1.1\r\n\r\n") == []
    assert cutter.feed(b"x" * 5000) == []
    assert cutter.rest() == b"GET / HTTP/1.1\r\n\r\n"


def test_both_directions_of_a_connection_are_lines_of_a_capture(tmp_path: Path) -> None:
    file = tmp_path / "flight.jsonl"
    one = recorder(file)
    number = one.opened(at(1))
    one.read(number, hello()[:20], b"", at(2))
    one.read(number, hello()[20:], b"\0\0\0\2ab", at(3))
    one.record(b'<134>{"ht":1}\xff', at(4))
    one.closed(number, at(5))
    one.close(5.0)
    assert lines(file) == [
        {
            "t_offset_ms": 0.0,
            "conn": "",
            "direction": BEGIN,
            "recorder": "1.2.3",
            "epoch_ms": 1_700_000_000_000.0,
            "redacted": False,
            "event": BEGIN,
            "hex": "",
        },
        {"t_offset_ms": 1.0, "conn": "ab-1", "direction": "open", "event": "open", "hex": ""},
        {"t_offset_ms": 3.0, "conn": "ab-1", "direction": "H>A", "hex": hello().hex()},
        {"t_offset_ms": 3.0, "conn": "ab-1", "direction": "A>H", "hex": "000000026162"},
        {"t_offset_ms": 4.0, "conn": "log", "direction": "L>A", "hex": "", "record": '<134>{"ht":1}\udcff'},
        {"t_offset_ms": 5.0, "conn": "ab-1", "direction": "close", "event": "close", "hex": ""},
    ]
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_never_became_a_frame_is_there_to_be_seen(tmp_path: Path) -> None:
    for redactor, shown in ((None, b"GET / HTTP/1.1"), (Redactor(b"k"), b"GET ??????????")):
        file = tmp_path / f"{redactor is None}"
        one = recorder(file, redactor=redactor)
        number = one.opened(at(1))
        one.read(number, b"GET / HTTP/1.1", b"", at(2))
        one.closed(number, at(3))
        one.close(5.0)
        assert bytes.fromhex(lines(file)[2]["hex"]) == shown


def test_values_are_placeholders_where_that_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "flight.jsonl"
    one = recorder(file, redactor=Redactor(b"k"))
    number = one.opened(at(1))
    one.read(number, made(3, message((b"id", b"1234"), (b"tag", b"user"), (b"", b"jo@example.org"))), b"", at(2))
    one.record(b'{"ht":1,"uri":"/users/jo"}', at(3))
    one.close(5.0)
    text = file.read_text()
    assert b"jo@example.org".hex() not in text
    assert "/users/jo" not in text
    assert b"user".hex() in text
    assert lines(file)[0]["redacted"] is True


def test_the_two_files_are_a_ring_of_bounded_size(tmp_path: Path) -> None:
    file = tmp_path / "flight.jsonl"
    size = 64 * 1024
    one = recorder(file, size=size)
    number = one.opened(at(0))
    for n in range(2000):
        one.read(number, made(3, message((b"id", b"%d" % n))), b"", at(n))
    one.close(10.0)
    assert parts(file) == [before(file), file]
    assert sum(part.stat().st_size for part in parts(file)) < size * 1.5
    written = lines(*parts(file))
    assert [line["event"] for line in written if "recorder" in line] == [BEGIN, BEGIN]
    frames = [line["t_offset_ms"] for line in written if line["direction"] == "H>A"]
    assert frames == sorted(frames)
    assert frames[-1] == 1999.0
    assert len(frames) > 50


def test_what_the_last_run_left_is_put_aside(tmp_path: Path) -> None:
    file = tmp_path / "flight.jsonl"
    for _ in range(2):
        recorder(file).close(5.0)
    assert parts(file) == [before(file), file]


def test_a_file_that_is_no_recording_is_not_touched(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("dear diary")
    with pytest.raises(NoRecordingError, match=r"it is there, and is no recording; name another file"):
        Ring(other, 1 << 20)
    with pytest.raises(NoRecordingError, match="no such folder"):
        check_recording(tmp_path / "missing" / "x")
    before(tmp_path / "x").write_text("dear diary")
    with pytest.raises(NoRecordingError, match="no recording"):
        Ring(tmp_path / "x", 1 << 20)
    assert other.read_text() == "dear diary"


def test_two_agents_do_not_record_to_one_file(tmp_path: Path) -> None:
    file = tmp_path / "flight.jsonl"
    first = recorder(file)
    with pytest.raises(NoRecordingError, match="another agent records to it"):
        Ring(file, 1 << 20)
    first.close(5.0)
    assert not before(file).exists()
    Ring(file, 1 << 20).close()


class _Stuck:
    """A disk that does not answer until it is told to."""

    def __init__(self, ring: Ring) -> None:
        self.goes_on = threading.Event()
        self.began = threading.Event()
        self._ring = ring

    full = False

    def write(self, lines: bytes) -> None:
        self.began.set()
        self.goes_on.wait(10.0)
        self._ring.write(lines)

    def close(self) -> None:
        self._ring.close()


def test_past_the_bound_bytes_are_lost_and_counted_and_the_connection_ends_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "QUEUE_BYTES", 11_000)
    file, stats = tmp_path / "flight.jsonl", Stats()
    stuck = _Stuck(Ring(file, 1 << 20))
    one = Recorder(
        stuck,  # type: ignore[arg-type]  # as good
        stats,
        version="1",
        epoch_ns=0,
        run="r",
        largest_frame=1 << 20,
    )
    assert stuck.began.wait(5.0)
    first, second = one.opened(1), one.opened(1)
    for n in range(5):
        one.read(first, made(3, b"x" * 3000), b"", n)
    one.closed(first, 9)
    lost = stats.get("recorder_dropped", "queue_full")
    stuck.goes_on.set()
    one.read(second, made(3, b"y"), b"", 10)
    one.close(5.0)
    assert lost == 2
    seen = [(line["conn"], line["direction"]) for line in lines(file)[1:]]
    assert seen.count(("r-1", "H>A")) == 3
    assert ("r-1", "close") in seen
    assert ("r-2", "H>A") in seen


def test_lines_after_a_disk_was_full_are_whole(tmp_path: Path) -> None:
    """The file may be no larger than 100 bytes for a while, which takes a part of a line only."""
    file = tmp_path / "flight.jsonl"
    ring = Ring(file, 1 << 20)
    ring.write(b"a" * 59 + b"\n")
    before_it = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before_it[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            ring.write(b"b" * 59 + b"\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before_it)
    ring.write(b"c\n")
    ring.write(b"d\n")
    ring.close()
    assert file.read_bytes() == b"a" * 59 + b"\n" + b"b" * 40 + b"\nc\nd\n"


def test_a_ring_that_could_not_turn_turns_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder may not be written to for a while: lines are lost and counted, then the recording goes on."""
    file, stats = tmp_path / "flight.jsonl", Stats()
    one = recorder(file, stats, size=64 * 1024)
    real, tried = Path.replace, threading.Event()

    def refused(self: Path, target: Path) -> Path:
        tried.set()
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refused)
    number = one.opened(at(0))
    for n in range(1000):
        one.read(number, made(3, message((b"id", b"%d" % n))), b"", at(n))
    assert tried.wait(5.0)
    wait_for(lambda: stats.get("recorder_dropped", "write_failed"), "a drop")
    monkeypatch.setattr(Path, "replace", real)
    one.record(b"{}", at(60_000))
    one.close(5.0)
    later = [line["direction"] for line in lines(file)]
    assert (later[0], later[-1]) == (BEGIN, "L>A")
    assert lines(before(file))[-1]["direction"] == "H>A"


def test_a_full_disk_is_counted_and_hurts_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stats = Stats()

    def full(self: Ring, lines: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ring, "write", full)
    one = recorder(tmp_path / "flight.jsonl", stats)
    number = one.opened(at(1))
    one.read(number, hello(), b"", at(2))
    one.close(5.0)
    assert stats.get("recorder_dropped", "write_failed") >= 2
