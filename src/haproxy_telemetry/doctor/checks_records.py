"""Checks of the end-of-stream record: that it is written, whole, at the end, and arrives."""

from __future__ import annotations

from collections.abc import Iterator

from haproxy_telemetry.doctor.configuration import Directive
from haproxy_telemetry.doctor.findings import Seen, error, warning
from haproxy_telemetry.doctor.proxies import Proxy, parse_server_address
from haproxy_telemetry.doctor.record import (
    BY_DATA,
    BY_PROFILE,
    DATA_FORM,
    DEFAULT_LENGTH,
    TRAFFIC_LEVEL,
    LogTarget,
    Record,
    has_logged_uri,
    has_request_line,
    in_haproxy,
    is_known_at_end,
    is_same,
    log_formats,
    needed_length,
    own_format,
    stream_format,
    uri_length,
    variable_bounds,
)
from haproxy_telemetry.doctor.setup import Setup
from haproxy_telemetry.settings import ListenAddress, ListenError, worker_addresses

LONG_ENOUGH = 8192
"""What the generator writes."""
SHORTEST_URI = 2048
"""Browsers and servers agree on about this much."""
GENERATOR = "haproxy-telemetry config standard   prints the lines that write the record"


@error(
    "record-missing",
    "`otel:` messages without a record",
    "They tell how a stream begins. No event marks its end: without the record every span ends by its time limit.",
)
def record_missing(setup: Setup) -> Iterator[Seen]:
    """Streams that begin for the agent and never end."""
    writers = [record.proxy for record in setup.written]
    for one, engine in setup.ours:
        if not any(message.name.startswith("otel:") for message in engine.sent):
            continue
        for proxy in setup.entrances(one.proxy):
            if proxy not in writers:
                words = f"{proxy}: its streams never end for the agent, no log line of it is the record"
                yield Seen(proxy.place, words, GENERATOR)


@error(
    "record-elsewhere",
    "the record does not go to the agent",
    "The `log` line's address is not the one where the agent takes records (`serve --records`).",
)
def record_elsewhere(setup: Setup) -> Iterator[Seen]:
    """No target of the record is an address of the agent."""
    for record in setup.written:
        if any(_arrives(target, setup) for target in record.targets):
            continue
        where = ", ".join(target.written for target in record.taking) or "nowhere: there is no log line for it"
        yield Seen(
            record.log_place,
            f"{record.proxy}: the record goes to {where}; the agent takes records at"
            f" {' and '.join(map(str, setup.records))}",
            _to_agent(record, in_haproxy(setup.records[0])),
        )


def _to_agent(record: Record, address: str) -> str:
    nearest = record.nearest
    if nearest:
        return nearest.corrected(address, max(nearest.length, LONG_ENOUGH))
    return f"log {address} len {LONG_ENOUGH} format {record.form} local0 {TRAFFIC_LEVEL}"


@error(
    "record-form",
    "a record that is structured data, and a `log` line that has no place for it",
    "Only lines in the form of RFC 5424 have what `log-format-sd` says.",
)
def record_form(setup: Setup) -> Iterator[Seen]:
    """The line that reaches the agent is not `format rfc5424`."""
    for record, target in _arriving(setup):
        if record.kind == BY_DATA and target.format != DATA_FORM:
            words = f"log {target.written}: the record is in log-format-sd, and lines of this form do not have it"
            yield Seen(target.line.place, words, target.formed(DATA_FORM))


def _arrives(target: LogTarget, setup: Setup) -> bool:
    return any(is_same(target.address, address) for address in setup.records)


@error(
    "record-cut",
    "a log line too short for the record",
    "HAProxy cuts a log line at `len` bytes, 1024 by default, and leaves structured data out that does not fit. Such a"
    " record is lost.",
)
def record_cut(setup: Setup) -> Iterator[Seen]:
    """`len` is less than a record can have."""
    uri, bounds = uri_length(setup.sections), variable_bounds(setup.all_lines)
    for record, target in _arriving(setup):
        needed = needed_length(record, uri, bounds)
        if target.length < needed:
            yield Seen(
                target.line.place,
                f"log {target.written}: lines are cut at {target.length} bytes, a record of this format can have"
                f" {needed}",
                target.corrected(target.written, max(LONG_ENOUGH, -(-needed // 1024) * 1024)),
            )


def _arriving(setup: Setup) -> Iterator[tuple[Record, LogTarget]]:
    for record in setup.written:
        for target in record.targets:
            if _arrives(target, setup):
                yield record, target


@warning(
    "record-uri-cut",
    "`tune.http.logurilen` too small",
    "A log line gets the first 1024 bytes of a URI by default; longer ones are cut in the trace.",
)
def record_uri_cut(setup: Setup) -> Iterator[Seen]:
    """The record has the URI as HAProxy logs it, of which it keeps little."""
    length = uri_length(setup.sections)
    line = next(iter(setup.global_lines("tune.http.logurilen")), None)
    for record in setup.written:
        if has_logged_uri(record) and length < SHORTEST_URI:
            default = " by default" if line is None and length == DEFAULT_LENGTH else ""
            yield Seen(
                line.place if line else record.place,
                f"{record.proxy}: URIs longer than {length} bytes are cut in the record{default}",
                "in global: tune.http.logurilen 4096",
            )


@error(
    "record-level",
    "a `log` line whose level leaves the record out",
    "HAProxy logs streams at level info.",
)
def record_level(setup: Setup) -> Iterator[Seen]:
    """Only what is more urgent than a record goes to the agent."""
    for _, target in _arriving(setup):
        if not target.takes_records:
            yield Seen(
                target.line.place,
                f"log {target.written}: level {target.level} leaves out the records, which have level {TRAFFIC_LEVEL}",
                f"let the line end with: local0 {TRAFFIC_LEVEL}",
            )


@error(
    "record-sampled",
    "a `log` line that sends only a part of the records",
    "The streams that are left out never end for the agent.",
)
def record_sampled(setup: Setup) -> Iterator[Seen]:
    """`log ... sample`."""
    for _, target in _arriving(setup):
        if target.sampled:
            yield Seen(
                target.line.place,
                f"log {target.written}: sample leaves out records, and those streams never end for the agent",
                "remove sample from this line",
            )


@warning(
    "record-names-no-worker",
    "workers of one agent, and a record that does not say which one has the stream",
    "With `serve --workers` (servers whose ports, or paths, follow each other) the record must reach the worker that"
    " got the stream's events; it says which by `txn.otel.worker`, which that worker's answer sets. Else traces are cut"
    " in two.",
)
def record_names_no_worker(setup: Setup) -> Iterator[Seen]:
    """A record without the variable that the workers set."""
    several = [engines for proxy, engines in setup.agent_backends if _is_of_workers(proxy)]
    used = {one.proxy for one, engine in setup.ours if any(engine in engines for engines in several)}
    for record in setup.written:
        if record.proxy in used and ".worker)" not in record.format:
            yield Seen(
                record.place,
                f"{record.proxy}: the agent has several workers, and the record does not say which has the stream",
                "haproxy-telemetry config --workers N   prints the format that says it",
            )


def _is_of_workers(backend: Proxy) -> bool:
    """Whether an address of the backend is that of a second worker of another."""
    addresses = {address for server in backend.servers if (address := parse_server_address(server.address))}
    return any(second in addresses for address in addresses if (second := _second_worker(address)) is not None)


def _second_worker(address: ListenAddress) -> ListenAddress | None:
    try:
        return worker_addresses(address, 2)[1]
    except ListenError:  # past the last port
        return None


@error(
    "record-steps",
    "`log-steps` that do not write the record at the end",
    "From 3.1 on: it is written at the step `close`, and other steps without it write none.",
)
def record_steps(setup: Setup) -> Iterator[Seen]:
    """The record belongs to the step `close`."""
    for record, line, steps in _with_steps(setup):
        if not {"close", "all"} & set(steps):
            given = ",".join(steps)
            words = f"{record.proxy}: log-steps {given} leaves out the end of the stream, where the record is written"
            yield Seen(line.place, words, f"log-steps {given},close")


@error(
    "record-no-end",
    "a record beside a log, and nothing that says when the stream's log lines are due",
    "HAProxy writes no log line for a frontend without a format. What a log profile needs is not waited for: its line"
    " is written when the frontend's own format is complete, and if that is before the end there is no record.",
)
def record_no_end(setup: Setup) -> Iterator[Seen]:
    """The frontend's own format decides, where no `log-steps` does."""
    for record in setup.written:
        proxy, line = record.proxy, stream_format(record.proxy)
        steps = proxy.last("log-steps") is not None
        if line is None and not (steps and setup.at_least(3, 2)):
            words = f"{proxy}: it has no log format, so HAProxy logs at the beginning of a connection only"
            yield Seen(proxy.place, words, "option tcplog" if proxy.mode == "tcp" else "option httplog")
        elif line and record.kind == BY_PROFILE and not steps and not is_known_at_end(own_format(proxy)):
            words = f"{proxy}: its format is complete before the stream ends, and the record belongs to the end"
            yield Seen(line.place, words, "add what is known at the end to this format, as %B or %Tt")


@warning(
    "steps-lose-request",
    "`log-steps` without `request`, and logs with the request line",
    "From 3.1 on HAProxy then keeps no request line: %r, %HM, %HU and the like, and capture.req.uri, say <BADREQ> or"
    " nothing. With the step `request` it has no captured headers in what it logs later.",
)
def steps_lose_request(setup: Setup) -> Iterator[Seen]:
    """A log of the frontend, or the record."""
    for record, line, steps in _with_steps(setup):
        formats = log_formats(record, setup.sections)
        if not {"request", "all"} & set(steps) and any(has_request_line(text) for text in formats):
            words = f"{record.proxy}: with these log-steps HAProxy's logs have no request line"
            yield Seen(line.place, words, "take this line out: with option httplog the end is what is logged")


def _with_steps(setup: Setup) -> Iterator[tuple[Record, Directive, list[str]]]:
    for record in setup.written:
        line = record.proxy.last("log-steps")
        if line:
            yield record, line, line.word(1).split(",")


@error(
    "record-early",
    "`option logasap`",
    "The line is written at the response's headers: the span ends there, without its bytes and its end state.",
)
def record_early(setup: Setup) -> Iterator[Seen]:
    """The record is written before the end."""
    yield from _with_option(setup, "logasap", "the record is written before the stream ends")


@error(
    "record-only-failures",
    "`option dontlog-normal`",
    "Streams that went well are not logged, and so never end for the agent.",
)
def record_only_failures(setup: Setup) -> Iterator[Seen]:
    """Only failures are recorded."""
    yield from _with_option(setup, "dontlog-normal", "streams that went well have no record")


def _with_option(setup: Setup, option: str, effect: str) -> Iterator[Seen]:
    for proxy in _writers(setup):
        line = proxy.last("option", option)
        if line:
            yield Seen(line.place, f"{proxy}: with option {option} {effect}", f"no option {option}")


def _writers(setup: Setup) -> Iterator[Proxy]:
    return (record.proxy for record in setup.written)


CHECKS = (
    record_missing,
    record_elsewhere,
    record_form,
    record_cut,
    record_uri_cut,
    record_level,
    record_sampled,
    record_names_no_worker,
    record_steps,
    record_no_end,
    steps_lose_request,
    record_early,
    record_only_failures,
)
