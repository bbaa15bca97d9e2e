"""The agent under test as the program that people run, its traces read from its file and its words from its log."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peer.processes import LOOPBACK, PATIENCE, Process, free_port, wait_until

OTLP_FLAG_REMOTE = 0x200  # SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
KINDS = {0: "unspecified", 1: "internal", 2: "server", 3: "client"}
STATUSES = {0: "unset", 1: "ok", 2: "error"}


@dataclass(frozen=True)
class Link:
    """A link of a span; ids in hexadecimal."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, object]


@dataclass(frozen=True)
class Span:
    """An exported span; ids in hexadecimal, "" for no parent, times in nanoseconds."""

    service: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    status: str
    flags: int
    trace_state: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, object]
    events: tuple[tuple[str, Mapping[str, object]], ...]
    links: tuple[Link, ...]


class Trace:
    """The spans of one stream of one HAProxy, in the order in which they started."""

    def __init__(self, spans: tuple[Span, ...]) -> None:
        self.spans = spans

    @property
    def trace_id(self) -> str:
        return self.spans[0].trace_id

    @property
    def root(self) -> Span:
        return self.spans[0]

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def span(self, name: str) -> Span:
        [found] = [span for span in self.spans if span.name == name]
        return found

    def parents(self) -> dict[str, str]:
        """The parent's name for each span's; the id where the parent is of somebody else."""
        names = {span.span_id: span.name for span in self.spans}
        return {span.name: names.get(span.parent_id, span.parent_id) for span in self.spans}

    def links(self) -> dict[str, list[tuple[str, object]]]:
        """For each span that has links: the names that they lead to, and what kind of reference they were."""
        names = {span.span_id: span.name for span in self.spans}
        return {
            span.name: [(names[link.span_id], link.attributes.get("opentracing.ref_type")) for link in span.links]
            for span in self.spans
            if span.links
        }


class TracingAgent(Process):
    """`haproxy-telemetry serve`, with JSON logs at level debug and its traces in a file."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        port: int | None = None,
        listen: str | None = None,
        env: Mapping[str, str] | None = None,
        export: str = "file",
    ) -> None:
        self.port = port or free_port()
        name = f"agent-{free_port()}"
        self._traces = TraceFile(folder / f"{name}.jsonl")
        command = [sys.executable, "-m", "haproxy_telemetry", "serve"]
        command += ["--listen", listen or f"{LOOPBACK}:{self.port}", "--export", export]
        command += ["--export-file", str(self._traces.path)] if export == "file" else []
        command += ["--log-format", "json", "--log-level", "debug", *arguments]
        # Agents of tests would contend for the one default port of the pages, and say so in the log.
        super().__init__(command, folder, name, {"HAPROXY_TELEMETRY_ADMIN_LISTEN": "off", **(env or {})})
        wait_until(lambda: self.returncode is not None or self.logged("listening"), f"{name} listening")
        assert self.returncode is None, f"{name} ended with {self.returncode}:\n{self.output}"

    @property
    def traces(self) -> list[Trace]:
        """All that were exported so far."""
        return self._traces.read()

    def exported(self) -> bytes:
        """Return the file of traces as it is."""
        return self._traces.path.read_bytes()

    def wait_for(self, wanted: Callable[[Trace], bool], number: int = 1, patience: float = PATIENCE) -> list[Trace]:
        """Wait until `number` of the exported traces are wanted ones, and return these."""

        def found() -> list[Trace]:
            return [trace for trace in self.traces if wanted(trace)]

        wait_until(lambda: len(found()) >= number, f"{number} traces", patience)
        return found()

    def trace(self, trace_id: str) -> Trace:
        """Wait for the one trace of that id."""
        [trace] = self.wait_for(lambda one: one.trace_id == trace_id)
        return trace

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of its log so far; whoever prints something else to standard error fails the test here."""
        text = self.output
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def logged(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["msg"] == message]

    def complaints(self) -> list[dict[str, Any]]:
        """What it said above the level info."""
        return [line for line in self.log if line["level"] not in ("debug", "info")]

    def totals(self) -> dict[str, Any]:
        """Its counters now, which it says on SIGUSR1."""
        before = len(self.logged("totals"))
        self.send(signal.SIGUSR1)
        wait_until(lambda: len(self.logged("totals")) > before, "the totals")
        return self.logged("totals")[-1]


class TraceFile:
    """OTLP/JSON, a trace a line, read on from where the last reading ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_to = 0
        self._traces: list[Trace] = []

    def read(self) -> list[Trace]:
        if not self.path.exists() or os.stat(self.path).st_size == self._read_to:
            return list(self._traces)
        with self.path.open("rb") as file:
            file.seek(self._read_to)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read_to += len(whole)
        self._traces += [_trace(json.loads(line)) for line in whole.splitlines()]
        return list(self._traces)


def _trace(request: dict[str, Any]) -> Trace:
    [group] = request["resourceSpans"]
    [scope] = group["scopeSpans"]
    service = str(_attributes(group["resource"])["service.name"])
    return Trace(tuple(_span(service, span) for span in scope["spans"]))


def _span(service: str, span: dict[str, Any]) -> Span:
    return Span(
        service,
        span["traceId"],
        span["spanId"],
        span.get("parentSpanId", ""),
        span["name"],
        KINDS[span.get("kind", 0)],
        STATUSES[span.get("status", {}).get("code", 0)],
        span.get("flags", 0),
        span.get("traceState", ""),
        int(span["startTimeUnixNano"]),
        int(span["endTimeUnixNano"]),
        _attributes(span),
        tuple((event["name"], _attributes(event)) for event in span.get("events", ())),
        tuple(Link(link["traceId"], link["spanId"], _attributes(link)) for link in span.get("links", ())),
    )


def _attributes(of: dict[str, Any]) -> dict[str, object]:
    return {pair["key"]: _value(pair["value"]) for pair in of.get("attributes", ())}


def _value(value: dict[str, Any]) -> object:
    [(kind, plain)] = value.items()
    return int(plain) if kind == "intValue" else plain
