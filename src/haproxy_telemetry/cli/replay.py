"""``haproxy-telemetry replay``: a recording played again, against an agent or through one in this process."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from haproxy_telemetry.recorder.files import parts
from haproxy_telemetry.replay.answers import Answers
from haproxy_telemetry.replay.script import Record, Script, read_script
from haproxy_telemetry.settings import (
    ListenAddress,
    ListenError,
    Settings,
    SettingsError,
    UdpAddress,
    load_settings,
    parse_listen,
    parse_records,
)
from haproxy_telemetry.spop.describe import CaptureError, CaptureLine, parse_capture
from haproxy_telemetry.terminal.otlpjson import parse_trace, span_records
from haproxy_telemetry.terminal.page import page_of, say, trace_lines, when
from haproxy_telemetry.terminal.records import SpanRecord
from haproxy_telemetry.trace.spans import FinishedTrace

AS_FAST_AS_IT_GOES: Final = 0.0


def _speed(ctx: click.Context, param: click.Parameter, value: str) -> float:
    if value == "max":
        return AS_FAST_AS_IT_GOES
    try:
        speed = float(value)
    except ValueError:
        speed = -1.0
    if not 0.001 <= speed <= 1_000_000:
        raise click.BadParameter(f"{value!r} is no speed: expected max, or a number from 0.001 to 1000000", ctx, param)
    return speed


def _address(ctx: click.Context, param: click.Parameter, value: str | None) -> ListenAddress | None:
    try:
        return parse_listen(value) if value else None
    except ListenError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def _records_address(ctx: click.Context, param: click.Parameter, value: str | None) -> UdpAddress | None:
    try:
        address = parse_records(value) if value else None
    except ListenError as error:
        raise click.BadParameter(str(error), ctx, param) from None
    if address is not None and not isinstance(address, UdpAddress):
        raise click.BadParameter("records can be sent by UDP only: udp:HOST:PORT", ctx, param)
    return address


@click.command(
    epilog="Exit codes: 0 every NOTIFY was ACKed, 1 one was not, or nobody listens, 2 wrong usage. `decode FILE` tells"
    " what is in a recording. See docs/recorder.md."
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--to", "address", metavar="ADDRESS", callback=_address, help="The agent: HOST:PORT or unix:/path.")
@click.option(
    "--records-to", metavar="udp:HOST:PORT", callback=_records_address, help="Where HAProxy's records go, with --to."
)
@click.option(
    "--speed",
    default="1",
    show_default=True,
    metavar="N|max",
    callback=_speed,
    help="With --to: how many times as fast.",
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Without --to: settings of the agent in this process, as for serve.",
)
@click.pass_context
def replay(
    ctx: click.Context,
    file: Path,
    address: ListenAddress | None,
    records_to: UdpAddress | None,
    speed: float,
    config: Path | None,
) -> None:
    """Play a recording again, as HAProxy spoke.

    With --to it goes to an agent over connections like HAProxy's, in the same order: nothing is sent before that is
    answered which was answered before it. Without, it goes through an agent in this process by the recording's own
    clock, at once, and the traces that come of it are shown. FILE.1, if it is there, comes first.
    """
    script = _read(file)
    for note in script.notes:
        say(sys.stderr, f"… {note}")
    answers = _play_to(script, address, records_to, speed) if address is not None else _play_here(script, config)
    for line in answers.lines():
        say(sys.stderr, line)
    ctx.exit(1 if answers.missing else 0)


def _read(file: Path) -> Script:
    script = read_script(line for part in parts(file) for line in _lines(part))
    if not script.steps:
        raise click.ClickException(f"{file}: there is no frame of HAProxy in it")
    return script


def _lines(file: Path) -> Iterator[CaptureLine]:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            yield from parse_capture(opened)
    except OSError as error:
        raise click.FileError(str(file), error.strerror) from None
    except CaptureError as error:
        raise click.ClickException(f"{file}: {error}") from None


def _play_to(script: Script, address: ListenAddress, records_to: UdpAddress | None, speed: float) -> Answers:
    from haproxy_telemetry.replay.player import CannotPlayError, Player

    try:
        return Player(address, speed, records_to).play(script)
    except CannotPlayError as error:
        raise click.ClickException(str(error)) from None


class _Kept:
    """An exporter that keeps traces until they are shown."""

    def __init__(self) -> None:
        self.traces: list[FinishedTrace] = []

    def export(self, trace: FinishedTrace) -> None:
        """Keep it."""
        self.traces.append(trace)

    def close(self, timeout_s: float) -> Any:
        """Nothing is left to do."""


def _play_here(script: Script, config: Path | None) -> Answers:
    from haproxy_telemetry.conventions import make_conventions
    from haproxy_telemetry.exporters import json_encoder
    from haproxy_telemetry.propagation import read_propagators
    from haproxy_telemetry.reload import make_sampling
    from haproxy_telemetry.replay.core import play
    from haproxy_telemetry.service import make_agent
    from haproxy_telemetry.stats import Stats

    kept = _Kept()
    settings, stats = _settings(config, script), Stats()
    agent = make_agent(
        settings, kept, stats, read_propagators(os.environ), None, make_conventions(settings, os.environ)
    )
    agent.use_sampling(make_sampling(settings.sampling, os.environ))
    encode = json_encoder(os.environ, str(uuid.uuid4()))
    by_id: dict[str, list[SpanRecord]] = {}

    def gather() -> None:
        for trace in kept.traces:
            spans = span_records(parse_trace(encode(trace)))
            by_id.setdefault(spans[0].trace_id, []).extend(spans)
        kept.traces.clear()

    epoch_ms = script.epoch_ms if script.epoch_ms is not None else time.time() * 1000
    answers = play(script, agent, int(epoch_ms * 1e6), gather)
    for spans in by_id.values():
        for line in [*trace_lines(spans, when(min(span.start_ns for span in spans)), page_of(sys.stdout)), ""]:
            say(sys.stdout, line)
    said = {f"{what}.{reason}" if reason else what: count for (what, reason), count in stats.snapshot().items()}
    wrong = {what: count for what, count in said.items() if _is_wrong(what)}
    say(sys.stderr, f"{len(by_id)} traces" + "".join(f", {what} {count}" for what, count in sorted(wrong.items())))
    return answers


def _is_wrong(counter: str) -> bool:
    name = counter.partition(".")[0]
    return name.endswith(("_dropped", "_incomplete", "_errors", "_problems", "_invalid"))


def _settings(config: Path | None, script: Script) -> Settings:
    """Return the settings of the agent in this process; it takes records if there are some."""
    try:
        settings = load_settings(config, os.environ, {})
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    takes_records = any(isinstance(step, Record) for step in script.steps)
    listen = (UdpAddress("127.0.0.1", 0),) if takes_records else ()
    return msgspec.structs.replace(settings, records=msgspec.structs.replace(settings.records, listen=listen))
