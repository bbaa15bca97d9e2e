"""One HAProxy with one profile goes through all scenarios, with the agent of its own that the generator's lines name.

What comes out is data: for each run of each scenario the streams as the client and the origin saw them, and the
traces that the agent wrote for them.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from haproxy_versions import HaproxyVersion

from haproxy_telemetry import haproxyconfig as hc
from lifecycles.client import Stream, Visit
from lifecycles.configuration import TRIES, Lines, choose_ports, configuration
from lifecycles.origin import Answered, Origin
from lifecycles.scenarios import SCENARIOS, Scenario
from peer.haproxy import Haproxy
from peer.processes import LOOPBACK, free_port, wait_until
from peer.tracing_agent import Trace, TracingAgent

# Runs begin one after the other, so that two cores are not asked for everything at once.
_STAGGER = 0.012
_QUIET = 0.8
_SLACK_NS = 100_000_000
_TCP_PROFILE = "otel-records-tcp"


@dataclass
class Outcome:
    """One stream: as the client saw it, as the origin did (none, or several where it was asked again), its traces."""

    stream: Stream
    answered: list[Answered] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)


@dataclass
class Run:
    """Everything that one HAProxy with one profile made."""

    outcomes: dict[str, list[list[Outcome]]]  # scenario: for each try its streams
    strangers: list[Trace]  # traces that belong to no stream of a client
    totals: dict[str, Any]
    complaints: list[dict[str, Any]]
    lateness_ns: int  # how late the machine woke a sleeping thread, at worst
    haproxy_said: str


OWN_FORMAT = "    option httplog\n"
"""What most frontends say; it says when their records are written, too."""


def generated(
    version: HaproxyVersion, profile: str, agent_port: int, records_port: int, folder: Path, own_log: bool
) -> Lines:
    """Return the generator's lines where they belong; its files of SPOE go into ``folder``."""
    http = _sections(version, profile, "http", agent_port, records_port, folder, own_log)
    tcp = _sections(version, profile, "tcp", agent_port, records_port, folder, own_log)
    own = OWN_FORMAT if own_log else ""
    filters = [line for line in http[0].splitlines() if line.strip().startswith("filter ")]
    without = "\n".join(line for line in http[0].splitlines() if line not in filters)
    in_tcp = own.replace("httplog", "tcplog") + tcp[0].replace("profile otel-records ", f"profile {_TCP_PROFILE} ")
    # The agents' backend is in both; a log profile has one format, so that tcp mode has one of its own.
    end = _section(tcp[1], "log-profile").replace("otel-records", _TCP_PROFILE) + http[1]
    in_global = "log stderr format raw daemon notice"
    return Lines(own + http[0], in_tcp, own + without, "".join(filters), in_global, end)


def _sections(
    version: HaproxyVersion, profile: str, mode: str, agent_port: int, records_port: int, folder: Path, own_log: bool
) -> tuple[str, str]:
    options = hc.Options(
        profile=hc.Profile(profile),
        version=hc.parse_version(version.full),
        agents=(hc.parse_agent(f"{LOOPBACK}:{agent_port}"),),
        records=hc.parse_records(f"udp:{LOOPBACK}:{records_port}"),
        mode=hc.Mode(mode),
        own_log=own_log,
        spoe_path=str(folder / f"spoe-{mode}.cfg"),
    )
    files = {file.name: file.text for file in hc.generate(options, "the life cycles")}
    if hc.SPOE in files:
        (folder / f"spoe-{mode}.cfg").write_text(files[hc.SPOE])
    frontend, _, end = files[hc.LINES].partition("# 2. At the end")
    return frontend, f"# {end}\n"


def _section(text: str, name: str) -> str:
    """Return one section of a configuration, "" if it has none of that name."""
    kept = [part for part in text.split("\n\n") if f"\n{name} " in f"\n{part}"]
    return "\n\n".join(kept) + "\n\n" if kept else ""


@dataclass
class Laboratory:
    """A HAProxy with its agent and its origin, running."""

    haproxy: Haproxy
    agent: TracingAgent
    origin: Origin
    ports: dict[str, int]
    folder: Path
    records_port: int

    def another_agent(self) -> TracingAgent:
        """Start one in the place of the first, which is gone."""
        return _agent(self.folder, self.agent.port, self.records_port)


@contextlib.contextmanager
def laboratory(
    version: HaproxyVersion,
    profile: str,
    folder: Path,
    *,
    spoe_port: int | None = None,
    records_port: int | None = None,
    env: Mapping[str, str] | None = None,
    own_log: bool = True,
) -> Iterator[Laboratory]:
    """Start them; stop them. The ports are those that HAProxy is told of, if they are not the agent's own."""
    with contextlib.ExitStack() as stack:
        origin = stack.enter_context(Origin())
        ports = {**choose_ports(), "origin": origin.port, "full": stack.enter_context(full_listener())}
        own = free_port()
        agent = _agent(folder, free_port(), own, env)
        stack.callback(agent.stop)
        lines = generated(version, profile, spoe_port or agent.port, records_port or own, folder, own_log)
        haproxy = Haproxy(version, configuration(lines, ports), folder)
        stack.callback(haproxy.stop)
        yield Laboratory(haproxy, agent, origin, ports, folder, own)


def _agent(folder: Path, port: int, records_port: int, env: Mapping[str, str] | None = None) -> TracingAgent:
    return TracingAgent(folder, "--records", f"udp:{LOOPBACK}:{records_port}", port=port, env=env)


@contextlib.contextmanager
def full_listener() -> Iterator[int]:
    """A port whose backlog is full: further connections get no answer."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server((LOOPBACK, 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        port: int = full.getsockname()[1]
        yield port


def run(
    version: HaproxyVersion, profile: str, folder: Path, names: Collection[str] = (), *, own_log: bool = True
) -> Run:
    """Go through all scenarios, or those that are named, each several times."""
    scenarios = [scenario for scenario in SCENARIOS if scenario.name in names or not names]
    with laboratory(version, profile, folder, own_log=own_log) as lab, Lateness() as lateness:
        if profile != "zero-wait":
            wait_until(lambda: lab.agent.totals().get("health_checks", 0) > 0, "a health check")
        visits = _visit_all(lab, scenarios)
        streams = [stream for tries in visits.values() for visit in tries for stream in visit.streams]
        _wait_for_quiet(lambda: len(lab.agent.traces))
        totals = lab.agent.totals()
        lab.agent.stop()  # what has no end by now leaves as incomplete
        traces = lab.agent.traces
        asked = {stream.trace_id for stream in streams}
        outcomes = {
            name: [[_outcome(stream, lab.origin, traces, asked) for stream in visit.streams] for visit in tries]
            for name, tries in visits.items()
        }
        theirs = {id(trace) for tries in outcomes.values() for one in tries for out in one for trace in out.traces}
        strangers = [trace for trace in traces if id(trace) not in theirs]
        return Run(outcomes, strangers, totals, lab.agent.complaints(), lateness.worst_ns, lab.haproxy.output)


def _visit_all(lab: Laboratory, scenarios: list[Scenario]) -> dict[str, list[Visit]]:
    visits: dict[str, list[Visit]] = {scenario.name: [] for scenario in scenarios}
    with ThreadPoolExecutor(len(scenarios) * TRIES) as clients:
        playing = []
        for number in range(1, TRIES + 1):
            for scenario in scenarios:
                visit = Visit(lab.ports, number)
                visits[scenario.name].append(visit)
                playing.append(clients.submit(_play, scenario, visit))
                time.sleep(_STAGGER)
        for one in playing:
            one.result()
    return visits


def _play(scenario: Scenario, visit: Visit) -> None:
    try:
        scenario.act(visit)
    except Exception as error:
        error.add_note(f"in the scenario {scenario.name}")
        raise


def _wait_for_quiet(count: Callable[[], int]) -> None:
    """Come back when nothing more comes: longer than the grace that the agent gives a trace, and its tick."""
    before, since = count(), time.monotonic()
    while time.monotonic() - since < _QUIET:
        time.sleep(0.05)
        if count() != before:
            before, since = count(), time.monotonic()


def _outcome(stream: Stream, origin: Origin, traces: list[Trace], asked: set[str]) -> Outcome:
    """Find the traces of a stream: by the id that it asked for, else by its port, which others may have had before."""
    found = [trace for trace in traces if trace.trace_id == stream.trace_id]
    if not found:
        around = range(stream.began_ns - _SLACK_NS, stream.ended_ns + _SLACK_NS)
        others = [trace for trace in traces if trace.trace_id not in asked and trace.root.end_ns in around]
        found = [trace for trace in others if stream.port in _ports(trace)]
    return Outcome(stream, origin.of(stream.trace_id) if stream.trace_id else [], found)


def _ports(trace: Trace) -> list[object]:
    return [span.attributes.get(key) for span in trace.spans for key in ("client.port", "network.peer.port")]


class Lateness:
    """How much later than asked for a sleeping thread is woken: what the machine adds to every time seen."""

    def __init__(self) -> None:
        self.worst_ns = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)

    def _measure(self) -> None:
        while not self._stop.is_set():
            before = time.monotonic_ns()
            time.sleep(0.002)
            self.worst_ns = max(self.worst_ns, time.monotonic_ns() - before - 2_000_000)

    def __enter__(self) -> Lateness:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
