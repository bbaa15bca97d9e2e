"""``haproxy-telemetry viewer``: the settings of ``[viewer]``, then the process that takes OTLP in and shows it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haproxy_telemetry.cli.serve import WrongSettings, metavar_of, text_of
from haproxy_telemetry.settings import AdminAddress, SettingsError, TcpAddress, ViewerSettings, load_settings
from haproxy_telemetry.settings.catalog import SETTINGS, Setting

if TYPE_CHECKING:
    from haproxy_telemetry.viewer.run import Address, Options

NEEDED = ("starlette", "uvicorn", "opentelemetry.proto")
LISTEN, OTLP = TcpAddress("127.0.0.1", 16686), TcpAddress("127.0.0.1", 4318)


def _options_of_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    for setting in reversed(
        [one for one in SETTINGS if one.section == "viewer" or one.name in ("log.format", "log.level")]
    ):
        command = _option(setting)(command)
    return command


def _option(setting: Setting) -> Callable[[Any], Any]:
    flag = setting.about.flag if setting.section == "log" else "--" + setting.key.replace("_", "-")
    if setting.many:
        flag = flag.removesuffix("s")
    text = (
        "Address of the page, the API and OTLP. Default: 127.0.0.1:16686." if flag == "--listen" else text_of(setting)
    )
    return click.option(
        flag,
        setting.name.replace(".", "__"),
        multiple=setting.many,
        metavar=metavar_of(setting) or setting.about.unit.upper(),
        help=text,
    )


@click.command(
    epilog="The settings are those of [viewer] in the file and in the environment; see docs/viewer.md. Exit codes:"
    " 0 stopped as asked, 1 failed, 2 wrong settings."
)
@_options_of_settings
@click.option("--agent", default="", metavar="URL", help="The agent's pages, for the status: http://127.0.0.1:9464.")
@click.option("--config", "-c", metavar="FILE", type=click.Path(path_type=Path), help="Read settings from FILE.")
@click.option("--socket", type=int, hidden=True, help="A listening socket that the agent hands over.")
def viewer(agent: str, config: Path | None, socket: int | None, **flags: object) -> None:
    """Take OTLP in and show the traces, in a browser."""
    if agent and not agent.startswith(("http://", "https://")):
        raise click.BadParameter("expected a URL such as http://127.0.0.1:9464", param_hint="--agent")
    try:
        settings = load_settings(config, os.environ, {name.replace("__", "."): value for name, value in flags.items()})
    except SettingsError as error:
        raise WrongSettings(str(error)) from error
    check_viewer_packages()
    from haproxy_telemetry.logs import configure_logging
    from haproxy_telemetry.viewer.run import CannotStartError, run

    configure_logging(settings.log.format, settings.log.level)
    try:
        run(_options(settings.viewer, agent, socket))
    except CannotStartError as error:
        raise click.ClickException(str(error)) from error


def check_viewer_packages() -> None:
    """Say what is missing before anything is started."""
    for name in NEEDED:
        try:
            found = importlib.util.find_spec(name) is not None
        except ModuleNotFoundError:
            found = False
        if not found:
            text = f"the viewer needs the package {name}: install the extra, haproxy-telemetry[viewer]"
            raise click.ClickException(text)


def _options(settings: ViewerSettings, agent: str, socket: int | None) -> Options:
    from haproxy_telemetry.viewer.run import Options
    from haproxy_telemetry.viewer.store import Limits

    return Options(
        listen=_address(settings.listen) or _given(LISTEN),
        otlp=_given(OTLP) if settings.otlp is None else _address(settings.otlp),
        otlp_asked=settings.otlp is not None,
        store=settings.store,
        limits=Limits(settings.max_age, settings.max_traces, settings.max_bytes, settings.max_trace_spans),
        hosts=settings.allow_hosts,
        agent=agent,
        socket=socket,
    )


def _address(address: AdminAddress) -> Address | None:
    return None if address == "off" else _given(address)


def _given(address: TcpAddress) -> Address:
    from haproxy_telemetry.viewer.run import Address

    return Address(address.host, address.port)
