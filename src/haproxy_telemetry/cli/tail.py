"""``haproxy-telemetry tail``: finished traces in the terminal, as they come."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, Final, TypeVar

import click

from haproxy_telemetry.terminal.otlpjson import BadTraceError, span_records
from haproxy_telemetry.terminal.page import page_of, say, trace_lines, when
from haproxy_telemetry.terminal.waterfall import printable
from haproxy_telemetry.watch.choose import Choice, parse_duration, parse_filter
from haproxy_telemetry.watch.settle import Settling
from haproxy_telemetry.watch.sources import CannotWatchError, Hello, Lost, News, Spans, watch

PLACES: Final = ("http://127.0.0.1:9464", "http://127.0.0.1:16686")
"""The agent's pages and the viewer, where they are unless somebody says otherwise."""

AGAIN_S: Final = 0.5
"""Seconds between two attempts to find again who has gone."""

WAITING: Final = 64
"""News between the thread that reads and the one that draws: past it the other side waits, and says what is lost."""

T = TypeVar("T")


class _Gone(Exception):  # noqa: N818 (an end, not an error)
    """The other side has ended."""


def _parsed(parse: Callable[[str], T]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        try:
            return tuple(parse(one) for one in value) if isinstance(value, tuple) else value and parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from None

    return callback


@click.command(epilog="Exit codes: 0 ended by Ctrl-C, 1 neither an agent nor a viewer is there, 2 wrong usage.")
@click.option(
    "--from",
    "place",
    metavar="URL",
    help=f"The agent's pages or a viewer. Default: {PLACES[0]}, else {PLACES[1]}.",
)
@click.option("--errors", is_flag=True, help="Only traces with a span that failed.")
@click.option(
    "--slow", metavar="DURATION", callback=_parsed(parse_duration), help="Only traces that took so long: 500ms, 1.5s."
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_parsed(parse_filter),
    help="Only traces with such a span: service, name, status (error, ok, or a code such as 5*), or an attribute."
    " The value is a shell pattern. May be repeated: then all must hold.",
)
@click.option("--json", "as_json", is_flag=True, help="One object of OTLP JSON a line.")
@click.pass_context
def tail(ctx: click.Context, place: str | None, errors: bool, slow: int | None, filters: Any, as_json: bool) -> None:
    """Show traces as they finish.

    They come from a running agent, or from a viewer, which has the origin's spans too.
    """
    choice = Choice(errors, slow or 0, filters)
    put = partial(_put_json if as_json else _put_waterfall, choice)
    try:
        _follow((place,) if place else PLACES, put)
    except CannotWatchError as error:
        raise click.ClickException(_nobody(place, error)) from None
    except KeyboardInterrupt:
        ctx.exit(0)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _nobody(place: str | None, error: CannotWatchError) -> str:
    if place:
        return f"no traces from {printable(str(error))}"
    return (
        f"there is neither an agent at {PLACES[0]} nor a viewer at {PLACES[1]}: start `haproxy-telemetry serve`,"
        " or say where with --from URL (the agent's line `listening` has it as admin=)"
    )


def _follow(places: tuple[str, ...], put: Callable[[list[Any]], None]) -> None:
    """Show what comes, and find who has gone again; raises ``CannotWatchError`` if nobody was there at the start."""
    began = None
    while True:
        for number, place in enumerate(places):
            try:
                began = _show(place, put, began)
                places = (place,)
            except CannotWatchError:
                if began is None and number == len(places) - 1:
                    raise
                continue
            break
        threading.Event().wait(AGAIN_S)


def _show(place: str, put: Callable[[list[Any]], None], before: Hello | None) -> Hello:
    """Show one connection's traces until it ends; return who it was."""
    news: queue.Queue[News | BaseException] = queue.Queue(WAITING)
    threading.Thread(target=_read, args=(place, news), daemon=True).start()
    settling, hello = Settling(), before
    seen = False
    while True:
        try:
            one = news.get(timeout=settling.patience(monotonic()))
        except queue.Empty:
            one = None
        if isinstance(one, Hello):
            _greet(one, hello)
            hello, seen = one, True
        elif isinstance(one, Spans):
            settling.add(one.trace_id, one.parts, monotonic(), whole=one.whole)
        elif isinstance(one, Lost):
            say(sys.stderr, f"… {one.traces} traces are not shown: they come faster than they can be")
        ended = isinstance(one, BaseException)
        for parts in settling.rest() if ended else settling.due(monotonic()):
            put(parts)
        if ended:
            if not seen or hello is None:
                raise one if isinstance(one, CannotWatchError) else CannotWatchError(place, "it ended at once")
            say(sys.stderr, f"… the {hello.what} at {hello.url} has gone; waiting for it")
            return hello


def _read(place: str, news: queue.Queue[News | BaseException]) -> None:
    """In a thread of its own, so that a trace that has settled is shown while nothing comes, and Ctrl-C is heard."""
    try:
        for one in watch(place):
            news.put(one)
        news.put(_Gone())
    except Exception as error:
        news.put(error)


def _greet(hello: Hello, before: Hello | None) -> None:
    if before is None:
        say(sys.stderr, f"… traces from the {hello.what} at {hello.url}; Ctrl-C ends")
    elif hello.began != before.began:
        say(sys.stderr, f"… the {hello.what} at {hello.url} is there again: it was started anew")
    else:
        say(sys.stderr, f"… the {hello.what} at {hello.url} is there again")


def _put_waterfall(choice: Choice, parts: list[Any]) -> None:
    try:
        spans = span_records({"resourceSpans": parts})
    except BadTraceError as error:
        say(sys.stderr, f"… a trace cannot be shown: {printable(str(error))}")
        return
    if choice.wants(spans):
        begin = min(span.start_ns for span in spans)
        for line in [*trace_lines(spans, when(begin), page_of(sys.stdout)), ""]:
            say(sys.stdout, line)


def _put_json(choice: Choice, parts: list[Any]) -> None:
    trace = {"resourceSpans": parts}
    try:
        wanted = choice.wants(span_records(trace))
    except BadTraceError:
        return
    if wanted:
        say(sys.stdout, json.dumps(trace, separators=(",", ":")))
