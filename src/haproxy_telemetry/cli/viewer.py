"""``haproxy-telemetry viewer``: what is asked for, then the process that takes OTLP in and shows it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from haproxy_telemetry.viewer.run import Address

NEEDED = ("starlette", "uvicorn", "opentelemetry.proto")
LISTEN, OTLP = "127.0.0.1:16686", "127.0.0.1:4318"


@click.command()
@click.option("--listen", default=LISTEN, show_default=True, metavar="HOST:PORT", help="Address of page, API and OTLP.")
@click.option("--otlp", metavar="HOST:PORT|off", help=f"Second address for OTLP. Default: {OTLP}, if it is free.")
@click.option("--store", type=click.Path(path_type=Path), metavar="FILE", help="Keep traces in FILE, not in memory.")
@click.option("--agent", default="", metavar="URL", help="The agent's admin address, such as http://127.0.0.1:9464.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A name that the viewer may be called by.")
def viewer(listen: str, otlp: str | None, store: Path | None, agent: str, hosts: tuple[str, ...]) -> None:
    """Take OTLP in and show the traces, in a browser."""
    check_packages()
    from haproxy_telemetry.logs import configure_logging
    from haproxy_telemetry.viewer.run import CannotStartError, Options, run

    configure_logging("text", "info")
    second = None if otlp == "off" else _address(otlp or OTLP)
    try:
        run(Options(_address(listen), second, otlp is not None, store, hosts=hosts, agent=agent))
    except CannotStartError as error:
        raise click.ClickException(str(error)) from error


def check_packages() -> None:
    """Say what is missing before anything is started."""
    for name in NEEDED:
        try:
            found = importlib.util.find_spec(name) is not None
        except ModuleNotFoundError:
            found = False
        if not found:
            text = f"the viewer needs the package {name}: install the extra, haproxy-telemetry[viewer]"
            raise click.ClickException(text)


def _address(text: str) -> Address:
    from haproxy_telemetry.settings.address import ListenError, TcpAddress, parse_listen
    from haproxy_telemetry.viewer.run import Address

    try:
        parsed = parse_listen(text)
    except ListenError as error:
        raise click.BadParameter(str(error)) from error
    if not isinstance(parsed, TcpAddress):
        raise click.BadParameter("an address is HOST:PORT or [IPV6]:PORT")
    return Address(parsed.host, parsed.port)
