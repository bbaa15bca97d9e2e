"""``haproxy-telemetry version``: what runs here, which is the first thing that a report of a problem should say."""

from __future__ import annotations

import platform

import click

from haproxy_telemetry import __version__
from haproxy_telemetry.spop import connection

COMPILED = "compiled"
INTERPRETED = "interpreted"


def how_it_runs() -> str:
    """Say whether the hot path is compiled, by the file that Python took for it."""
    return INTERPRETED if str(connection.__file__).endswith(".py") else COMPILED


@click.command()
def version() -> None:
    """Print the version, and how the agent runs here."""
    click.echo(f"haproxy-telemetry {__version__}")
    click.echo(f"hot path: {how_it_runs()}")
    click.echo(f"Python: {platform.python_version()} ({platform.python_implementation()})")
    click.echo("event loop: asyncio")
