"""The bench's pure parts. How fast anything is belongs to `make bench`, not here."""

from __future__ import annotations

import gzip
import json
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench import core, core_loop, haproxy
from bench.agents import listen_text, sampled, totals
from bench.bars import BARS, Bar, judge
from bench.core import parse_loop
from bench.haproxy import Round, Series
from bench.load import Load, parse_loaded
from bench.machine import processor_of
from bench.native import SOURCES
from bench.processes import FailedError
from bench.receiver import Inbox, count_items
from bench.results import Table, ratio_of_rounds
from bench.scenarios import RECORDED, SCENARIOS, Scenario, parse_frames, write_frames
from bench.soak import Soaked, told
from bench.wrk import Requested, parse_wrk
from haproxy_telemetry.service import make_agent
from haproxy_telemetry.session import Session
from haproxy_telemetry.settings import Settings
from haproxy_telemetry.stats import Stats
from kept import Kept


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_the_agent_understands_every_recorded_frame(scenario: Scenario) -> None:
    """And makes as many spans of a transaction as the scenario says."""
    kept, stats = Kept(), Stats()
    agent = make_agent(Settings(), kept, stats)
    session = Session(agent, "the bench")
    session.receive(with_length(HELLO), 1)
    frames = parse_frames(scenario.path.read_text())
    for number, payload in enumerate(frames.filled(frames.values), 1):
        assert session.receive(with_length(b"\x03\0\0\0\x01\x02" + bytes([number]) + payload), number)
        agent.carry_out()
    agent.close(100)
    assert [len(trace.spans) for trace in kept.traces] == [scenario.spans]
    troubles = {"dsl_problems", "messages_skipped", "frames_dropped", "internal_errors", "protocol_errors"}
    assert not {what for what, _ in stats.snapshot()} & troubles


@pytest.mark.parametrize("scenario", RECORDED, ids=lambda s: s.name)
def test_the_loop_plays_requests_with_their_records(scenario: Scenario) -> None:
    steps, notified = core_loop.batches(2, 4, scenario)
    played = core_loop.run(steps, notified, 1.0)
    assert (played.records, played.spans) == (4, 4 * scenario.spans)
    assert (played.frames, played.ack_bytes > 0) == (notified, notified > 0)
    assert core_loop.run(steps, notified, 0.0).spans == 0


def test_what_differs_from_request_to_request() -> None:
    assert core_loop.renumbered("390b8e19-b4ea", 255) == "390b0000-00ff"
    assert core_loop.renumbered("51716", 1010) == "51726"
    assert core_loop.renumbered("1795999164874753", 1010) == "1795999164875763"


HELLO = (
    b"\x01\0\0\0\x01\0\0" b"\x12supported-versions\x08\x032.0" b"\x0emax-frame-size\x03\xfc\xf0\x06"
    b"\x0ccapabilities\x08\x0apipelining"
)  # fmt: skip


def with_length(frame: bytes) -> bytes:
    return len(frame).to_bytes(4, "big") + frame


def test_values_stand_where_they_stood() -> None:
    text = write_frames(["0af7", "beef"], [b"id=0af7 up=beef", b"0af7"])
    frames = parse_frames(text)
    assert frames.filled(("0af7", "beef")) == [b"id=0af7 up=beef", b"0af7"]
    assert frames.filled(("1111", "2222")) == [b"id=1111 up=2222", b"1111"]
    assert parse_frames(write_frames(["0af7"], [], b"id=0af7")).filled_record(("1111",)) == b"id=1111"


def test_what_is_no_file_of_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="neither value nor frame"):
        parse_frames("farme 00")


LOADED = {
    "transactions": 10, "all_transactions": 12, "frames": 80, "seconds": 1.5, "frames_per_s": 53, "actions": 80,
    "notify_bytes": 1, "ack_bytes": 1, "p50_us": 10.0, "p99_us": 20.0, "p999_us": 30.0, "max_us": 40.0,
    "agent_cpu_s": 0.1, "agent_us_per_frame": 2.5, "load_us_per_frame": 1.5,
}  # fmt: skip


def test_the_load_generators_line_is_read() -> None:
    loaded = parse_loaded(json.dumps(LOADED))
    assert (loaded.frames, loaded.p99_us, loaded.agent_us_per_frame) == (80, 20.0, 2.5)
    assert Load(32, 1).name == "-c 32 -w 1"


def test_a_ratio_is_taken_round_by_round() -> None:
    """A round in which the machine was slow for both says as much as any other."""
    assert ratio_of_rounds([2.0, 20.0, 2.2], [1.0, 10.0, 1.0]) == 2.0


def test_bars_are_met_on_the_right_side() -> None:
    at_most, below, at_least = (
        Bar("", "", "<=", 2.0, " ×", ""), Bar("", "", "<", 2.0, " s", ""), Bar("", "", ">=", 2.0, "", ""),
    )  # fmt: skip
    assert [at_most.met(v) for v in (1.9, 2.0, 2.1)] == [True, True, False]
    assert [below.met(v) for v in (1.9, 2.0, 2.1)] == [True, False, False]
    assert [at_least.met(v) for v in (1.9, 2.0, 2.1)] == [False, True, True]
    assert (at_most.limit_text, below.limit_text, at_least.limit_text) == ("≤ 2 ×", "< 2 s", "≥ 2")


def test_a_bar_is_met_by_all_cases_or_says_which_do_not() -> None:
    one = next(v for v in judge({"proxy_asks": {"2.6": 0.9, "3.2": 0.8}}) if v.bar.key == "proxy_asks")
    assert one.text == "0.90 × (2.6), 0.80 × (3.2)"
    assert one.answer == "**no** (3.2)"
    assert next(v for v in judge({"start": {"": 0.3}}) if v.bar.key == "start").answer == "yes"
    assert next(v for v in judge({"start": {"": 0.6}}) if v.bar.key == "start").answer == "**no**"
    assert next(v for v in judge({}) if v.bar.key == "start").text == "not measured"


def test_a_figure_without_a_bar_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no bar for"):
        judge({"speed": {"": 1.0}})
    assert len({bar.key for bar in BARS}) == len(BARS)


def test_tables_are_markdown_and_text() -> None:
    table = Table("T", ("a", "bb"), (("1", "2"),), "note")
    assert table.markdown() == "### T\n\n| a | bb |\n| --- | --- |\n| 1 | 2 |\n\nnote\n"
    assert table.text() == "T\n  a  bb\n  1  2"


def test_the_agents_last_words_are_read() -> None:
    line = "INFO stopped exported=12 lost=3 frames_answered=8 spans_dropped.queue_full=3"
    assert totals(f"listening\n{line}\n") == {
        "exported": 12, "lost": 3, "frames_answered": 8, "spans_dropped.queue_full": 3,
    }  # fmt: skip
    with pytest.raises(FailedError):
        totals("killed")


def test_sampling_and_addresses_are_written_as_the_agent_reads_them() -> None:
    assert sampled(1) == {}
    assert sampled(0.1)["OTEL_TRACES_SAMPLER_ARG"] == "0.1"
    assert listen_text(7000) == "127.0.0.1:7000"
    assert listen_text(Path("/x/y.sock")) == "unix:/x/y.sock"


def test_the_receiver_counts_spans_and_log_records() -> None:
    traces, logs = ExportTraceServiceRequest(), ExportLogsServiceRequest()
    for _ in range(3):
        traces.resource_spans.add().scope_spans.add().spans.add()
    logs.resource_logs.add().scope_logs.add().log_records.add()
    assert count_items(b"/v1/traces", gzip.compress(traces.SerializeToString())) == (3, 0)
    assert count_items(b"/v1/logs", logs.SerializeToString()) == (0, 1)
    assert count_items(b"/v1/metrics", b"") == (0, 0)
    inbox = Inbox()
    inbox.put(b"/v1/traces", traces.SerializeToString())
    assert inbox.counted()["spans"] == inbox.counted()["spans"] == 3


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("native")
    for name in ("load", "floor"):
        subprocess.run(["cc", "-std=c17", "-O1", "-Wall", "-Wextra", "-Werror", "-o", folder / name,
                        SOURCES / f"{name}.c"], check=True)  # fmt: skip
    return folder


def is_listened_on(path: Path) -> bool:
    """Whether somebody takes connections; the file is there a moment earlier."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_the_load_generator_gets_an_ack_for_every_frame(programs: Path, tmp_path: Path, scenario: Scenario) -> None:
    path = tmp_path / "floor.sock"
    floor = subprocess.Popen([programs / "floor", path])
    try:
        while not is_listened_on(path):
            assert floor.poll() is None
        frames = len(parse_frames(scenario.path.read_text()).payloads)
        done = subprocess.run([programs / "load", "--frames", scenario.path, "--unix", path, "-c", "3", "-w", "4",
                               "--transactions", "100"], capture_output=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
    finally:
        floor.terminate()
        floor.wait()
    loaded = parse_loaded(done.stdout.decode())
    assert (loaded.transactions, loaded.all_transactions, loaded.frames) == (100, 100, 100 * frames)


def test_the_load_generator_refuses_an_answer_that_is_none(programs: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "bad.sock"))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"\x00\x00\x00\x07\x67\x00\x00\x00\x01\x00\x01")  # an ACK before anything was asked
                connection.recv(1000)

        thread = threading.Thread(target=answer)
        thread.start()
        done = subprocess.run([programs / "load", "--frames", SCENARIOS[0].path, "--unix", tmp_path / "bad.sock", "-c",
                               "1", "-w", "1", "-t", "1"], capture_output=True, check=False)  # fmt: skip
        thread.join()
    assert done.returncode == 1
    assert b"an ACK for nothing that is under way" in done.stderr


def test_the_command_says_what_parts_there_are() -> None:
    done = subprocess.run([sys.executable, "-m", "bench", "--help"], capture_output=True, text=True, check=True,
                          cwd=SOURCES.parent.parent, env={"PYTHONPATH": "scripts"})  # fmt: skip
    assert "wire" in done.stdout


WRK = """\
Running 5s test @ http://127.0.0.1:8000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.53ms  600.10us  12.55ms   77.00%
    Req/Sec    42.11k     2.00k   45.00k    70.00%
  Latency Distribution
     50%  750.00us
     75%    1.90ms
     90%    2.20ms
     99%    1.02s
  209812 requests in 5.01s, 25.01MB read
  Socket errors: connect 0, read 2, write 0, timeout 1
  Non-2xx or 3xx responses: 4
Requests/sec:  41878.10
Transfer/sec:      5.00MB
"""


def test_what_wrk_prints_is_read() -> None:
    seen = parse_wrk(WRK)
    assert (seen.requests, seen.requests_per_s, seen.p50_ms, seen.p99_ms, seen.bad) == (
        209812,
        41878.1,
        0.75,
        1020.0,
        7,
    )
    with pytest.raises(ValueError, match="did not say"):
        parse_wrk("unable to connect")


def test_the_loops_lines_are_read_and_held_against_the_bar() -> None:
    def line(scenario: str, share: float, us: float) -> str:
        return json.dumps({"scenario": scenario, "sampled": share, "frames": 80, "records": 0, "us": us, "spans": 0})

    text = "\n".join([line(s, share, us) for s in ("seed", "compact") for share, us in ((1.0, 4.0), (0.1, 1.0))])
    looped = parse_loop("compiled", text) + parse_loop("interpreted", text.replace("4.0", "9.0"))
    assert core.figures(looped) == {"sampled": {"seed": 0.25, "compact": 0.25}}


def test_spans_are_lost_by_whichever_account_has_more() -> None:
    def soaked(expected: int, received: int, exported: int, lost: int) -> int:
        return Soaked("3.2", "standard", 1, 0, 60, expected, received, {"exported": exported, "lost": lost}).lost

    assert soaked(100, 103, 103, 0) == 0
    assert soaked(100, 90, 90, 0) == 10
    assert soaked(100, 101, 105, 0) == 4
    assert soaked(100, 100, 100, 3) == 3
    assert told({"exported": 1, "spans_dropped.queue_full": 1200}) == "`spans_dropped.queue_full` 1,200"
    assert told({"exported": 1}) == "nothing lost"


def test_cases_are_compared_with_those_of_the_same_rounds() -> None:
    def series(profile: str, who: str, *rates: float) -> Series:
        seen = [Requested(100, rate, 1.0, 2.0, 0) for rate in rates]
        return Series("3.2", profile, who, tuple(Round(one, 10.0, 5.0) for one in seen))

    every = [
        series("untraced", "", 100, 200), series("zero-wait", "floor", 90, 190), series("zero-wait", "agent", 80, 180),
        series("standard", "floor", 50, 100), series("standard", "agent", 45, 90),
        series("detailed", "floor", 20, 40), series("detailed", "agent", 10, 20),
    ]  # fmt: skip
    figures = haproxy.figures(every)
    assert figures["proxy_asks"] == {"3.2 standard": 0.9, "3.2 detailed": 0.5}
    assert figures["proxy_zero_wait"]["3.2"] == pytest.approx(0.85)
    assert haproxy.tables(every)[0].rows[-1][:4] == ("detailed", "agent", "15", "0.10 ×")


def test_a_machine_is_named_also_where_its_processor_is_not() -> None:
    assert processor_of("model name\t: AMD EPYC\nflags\t: fpu hypervisor\n") == "AMD EPYC (virtual)"
    assert processor_of("processor : 0\n")
