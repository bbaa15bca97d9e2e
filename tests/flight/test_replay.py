"""Recordings played again: in what order, against whom, and what is said of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from haproxy_telemetry.replay.script import Await, Close, Record, Send, read_script
from haproxy_telemetry.spop.describe import CaptureError, CaptureLine, parse_capture
from server.running_agent import GOLDEN, RunningAgent, hello, made, message, running, stream, wait_for
from spop.captures import VERSIONS

A_STREAM = {"2.6.12": b"0c207396-ae17-4f51-a384-316ab5b3679a", "3.2.0": b"a2776284-bd61-4999-bb09-7f716da236d0"}
"""The unique id of a stream of the captures of HAProxy's chain of events."""

COMMAND = [sys.executable, "-m", "haproxy_telemetry"]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def golden(version: str, scenario: str) -> Path:
    return GOLDEN / version / f"{scenario}.jsonl"


def script(path: Path) -> list[object]:
    with path.open() as lines:
        return list(read_script(parse_capture(lines)).steps)


def line(direction: str, frame: bytes, connection: str = "A1", ms: float = 0.0) -> CaptureLine:
    return CaptureLine(line=1, frame=frame, time_ms=ms, connection=connection, direction=direction)


def notify(stream_id: int) -> bytes:
    return made(3, message((b"id", b"1")), bytes([stream_id, 1]))[4:]


def ack(stream_id: int) -> bytes:
    return made(103, b"", bytes([stream_id, 1]))[4:]


# The script


def test_what_was_answered_before_a_frame_is_awaited_before_it() -> None:
    steps = read_script(
        [
            line("H>A", hello()[4:]),
            line("A>H", b"\x65"),
            line("H>A", notify(1), ms=1.0),
            line("H>A", notify(3), "A2", 2.0),
            line("A>H", ack(1)),
            line("H>A", notify(5), "A2", 3.0),
            line("A>H", ack(3), "A2"),
            CaptureLine(1, b"", 4.0, "A2", "close", "close"),
        ]
    ).steps
    shape = [
        (step.connection, step.hello, step.ours, step.ids and step.ids.stream_id)
        if isinstance(step, Send)
        else type(step)
        for step in steps
    ]
    assert shape == [
        ("A1", True, False, None),
        ("A1", False, False, 1),
        ("A2", True, True, None),
        ("A2", False, False, 3),
        Await,
        ("A2", False, False, 5),
        Await,
        Close,
    ]


def test_a_capture_of_one_direction_waits_for_each_answer() -> None:
    steps = read_script([line("H>A", hello()[4:]), line("H>A", notify(1)), line("H>A", notify(1))]).steps
    assert [type(step) for step in steps] == [Send, Send, Await, Send]


def test_records_and_what_is_cut_are_told_apart() -> None:
    whole = '{"t_offset_ms": 5, "conn": "log", "direction": "L>A", "hex": "", "record": "{\\udcff}"}\n'
    found = read_script(parse_capture([whole, '{"t_offset_ms": 6, "con']))
    assert found.steps == (Record(5.0, b"{\xff}"),)
    assert found.notes == ("line 2: the line is cut",)
    with pytest.raises(CaptureError, match="line 1: not JSON"):
        read_script(parse_capture(['{"t_offset_ms": 6, "con']))


# Through an agent in this process


@pytest.mark.parametrize("version", VERSIONS)
def test_a_capture_of_any_haproxy_gives_its_traces(version: str) -> None:
    done = run("replay", golden(version, "seed-chain-7001-ok"))
    assert done.returncode == 0, done.stderr
    traces = [block.splitlines() for block in done.stdout.split("\n\n") if block.strip()]
    assert [len(lines) for lines in traces] == [10, 10]
    assert all("HAProxy session" in lines[1] and "HTTP response" in lines[-1] for lines in traces)
    assert re.search(r"^2 traces$", done.stderr, re.MULTILINE)
    assert "16 NOTIFY frames over" in done.stderr
    assert "16 ACKed" in done.stderr


def test_spans_are_as_long_as_they_were() -> None:
    first, second = (
        run("replay", golden("3.2.0", "seed-chain-7001-ok")),
        run("replay", golden("3.2.0", "seed-chain-7001-ok")),
    )
    durations = re.compile(r"[\d.]+(?:µs|ms)$", re.MULTILINE)
    assert durations.findall(first.stdout) == durations.findall(second.stdout) != []


def test_a_frame_that_the_agent_refuses_is_an_exit_code(tmp_path: Path) -> None:
    file = tmp_path / "broken.jsonl"
    frames = [hello(), made(3, message((b"id", b"1"))), made(3, b"\x05hello"), made(3, message((b"id", b"2")))]
    lines = [{"t_offset_ms": n, "conn": "A", "direction": "H>A", "hex": one.hex()} for n, one in enumerate(frames)]
    file.write_text("\n".join(map(json.dumps, lines)))
    for arguments in ([], ["--to"]):
        with running(tmp_path) as agent:
            done = run("replay", file, *([*arguments, agent.addresses[0]] if arguments else []))
        assert done.returncode == 1
        assert "AGENT-DISCONNECT 4 (invalid frame received): 1" in done.stderr
        assert "1 NOTIFY frames were not ACKed: A stream 1 frame 1" in done.stderr
        assert "1 NOTIFY frames could not be sent" in done.stderr


def test_a_file_without_frames_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    assert "there is no frame of HAProxy in it" in run("replay", tmp_path / "empty").stderr
    (tmp_path / "none").write_text("dear diary\n")
    done = run("replay", tmp_path / "none")
    assert (done.returncode, "line 1: not hexadecimal" in done.stderr) == (1, True)


def test_wrong_usage_is_told(tmp_path: Path) -> None:
    for arguments, words in ((["--speed", "0"], "is no speed"), (["--to", ":1"], "an address is")):
        done = run("replay", golden("3.2.0", "get200"), *arguments)
        assert (done.returncode, words in done.stderr) == (2, True)


# Against an agent, recorded there, and played again


def shapes(agent: RunningAgent) -> Counter[tuple[tuple[str, str], ...]]:
    """For each trace the names of its spans with their parents' names."""
    by_trace: dict[str, list[dict[str, str]]] = {}
    for span in agent.spans():
        by_trace.setdefault(span["traceId"], []).append(span)
    found: Counter[tuple[tuple[str, str], ...]] = Counter()
    for spans in by_trace.values():
        names = {span["spanId"]: span["name"] for span in spans}
        found[tuple(sorted((span["name"], names.get(span.get("parentSpanId", ""), "")) for span in spans))] += 1
    return found


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("version", ["2.6.12", "3.2.0"])
def test_what_is_recorded_gives_the_same_traces_again(tmp_path: Path, version: str, redact: bool) -> None:
    file = tmp_path / "flight.jsonl"
    flags = ["--record", str(file), *(["--record-redact"] if redact else [])]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with running(tmp_path / "a", *flags) as recorded:
        assert (
            run(
                "replay", golden(version, "seed-chain-7001-ok"), "--to", recorded.addresses[0], "--speed", "max"
            ).returncode
            == 0
        )
        assert recorded.stop() == 0
    with running(tmp_path / "b") as again:
        done = run("replay", file, "--to", again.addresses[0], "--speed", "max")
        assert (done.returncode, "16 ACKed" in done.stderr) == (0, True), done.stderr
        assert again.stop() == 0
    assert shapes(again) == shapes(recorded)
    assert sum(shapes(again).values()) == 2
    assert (A_STREAM[version].hex() in file.read_text()) is not redact
    words = run("decode", file)
    assert words.returncode == 0
    assert words.stdout.count("NOTIFY stream") == words.stdout.count("ACK stream") == 16


@pytest.mark.parametrize(("speed", "at_least_ms"), [("1", 400), ("0.5", 800)])
def test_haproxys_timing_is_kept_and_can_be_changed(tmp_path: Path, speed: str, at_least_ms: int) -> None:
    """From the first NOTIFY to the last it is 400 ms, and twice as many at half the speed: never less."""
    file = tmp_path / "slow.jsonl"
    frames = [hello(), *stream(1)]
    step = 400 / (len(frames) - 2)
    lines = [
        {"t_offset_ms": n * step, "conn": "A", "direction": "H>A", "hex": one.hex()} for n, one in enumerate(frames)
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    with running(tmp_path) as agent:
        assert run("replay", file, "--to", agent.addresses[0], "--speed", speed).returncode == 0
        wait_for(lambda: len(agent.spans()) == 9, "spans")
        spans = agent.spans()
    took = max(int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) for span in spans)
    assert took >= 0.9 * at_least_ms * 1e6  # the first frame may have come late


def recording(file: Path, epoch_ms: float, run_name: str, end: str = "") -> None:
    """What one run of an agent leaves: one stream over one connection, then what was being written."""
    begin = {"t_offset_ms": 0, "conn": "", "direction": "begin", "event": "begin", "hex": "", "epoch_ms": epoch_ms}
    frames = [{"t_offset_ms": n, "conn": run_name, "direction": "H>A", "hex": one.hex()} for n, one in
              enumerate([hello(), *stream(1)])]  # fmt: skip
    file.write_text("".join(json.dumps(one) + "\n" for one in (begin, *frames)) + end)


DAY_MS = 86_400_000


def test_two_runs_a_night_apart_are_one_recording(tmp_path: Path) -> None:
    """The agent was killed in a line, and started anew a day later: FILE.1 comes first, and nobody waits a day."""
    file, older = tmp_path / "flight.jsonl", tmp_path / "flight.jsonl.1"
    recording(older, 1_700_000_000_000.0, "a-1", '{"t_offset_ms":9,"con')
    recording(file, 1_700_000_000_000.0 + DAY_MS, "b-1")
    lines = [one for path in (older, file) for one in parse_capture(path.read_text().splitlines())]
    times = [step.at_ms for step in read_script(lines).steps if isinstance(step, Send)]
    assert times == sorted(times)
    assert times[-1] - times[0] >= DAY_MS
    with running(tmp_path) as agent:
        done = run("replay", file, "--to", agent.addresses[0], "--speed", "100")
    assert (done.returncode, "16 NOTIFY frames over 2 connections, 16 ACKed" in done.stderr) == (0, True), done.stderr
    assert "the line is cut" in done.stderr
    words = run("decode", file)
    assert (words.returncode, words.stdout.count("NOTIFY stream")) == (0, 16)
    assert re.search("a-1  H>A(.|\n)*the line is cut(.|\n)*b-1  H>A", words.stdout)


def test_a_recording_that_begins_in_the_middle_gets_a_hello_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "flight.jsonl"
    with golden("3.2.0", "seed-chain-7001-ok").open() as lines:
        file.write_text("".join(one for one in lines if '"000000' not in one or '"hex": "0000007b01' not in one))
    assert run("decode", file).stdout.count("HAPROXY-HELLO") == 0
    with running(tmp_path) as agent:
        done = run("replay", file, "--to", agent.addresses[0], "--speed", "max")
        assert (done.returncode, "16 ACKed" in done.stderr) == (0, True), done.stderr


def test_nobody_there_is_one_sentence(tmp_path: Path) -> None:
    done = run("replay", golden("3.2.0", "get200"), "--to", f"unix:{tmp_path}/none.sock")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: cannot connect to unix:{tmp_path}/none.sock: ")


def test_an_agent_that_cannot_record_does_not_begin(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("dear diary")
    with running(tmp_path, "--record", str(other)) as agent:
        assert agent.wait() == 1
    words = f"cannot record to {other}: it is there, and is no recording; name another file"
    assert agent.log == [f"haproxy-telemetry: {words}"]
    done = run("serve", "--record", other, "--check")
    assert (done.returncode, words in done.stderr) == (2, True)
