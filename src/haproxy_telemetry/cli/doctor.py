"""``haproxy-telemetry doctor``: what is wrong with HAProxy's configuration, with the fix beside it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from haproxy_telemetry import haproxyprogram
from haproxy_telemetry.doctor.examine import Patient, examine
from haproxy_telemetry.doctor.files import CannotLookError
from haproxy_telemetry.doctor.report import as_json, as_text
from haproxy_telemetry.doctor.version import Version, parse_version
from haproxy_telemetry.otelfile import OtelFileError, Source, read_source
from haproxy_telemetry.settings import Settings, SettingsError, load
from haproxy_telemetry.settings.address import ListenError, RecordsAddress, UdpAddress, parse_records

DEFAULT_FILE = "/etc/haproxy/haproxy.cfg"
DEFAULT_RECORDS = UdpAddress("127.0.0.1", 7514)
"""What the generator writes."""
FINDINGS, COULD_NOT_LOOK = 1, 2


class CouldNotLook(click.ClickException):
    """Why the doctor could not look at all."""

    exit_code = COULD_NOT_LOOK


class RecordsType(click.ParamType[RecordsAddress]):
    """An address of datagrams."""

    name = "address"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> RecordsAddress:
        """Read it as `serve` does."""
        try:
            return parse_records(str(value))
        except ListenError as error:
            self.fail(str(error), param, ctx)


class VersionType(click.ParamType[Version]):
    """A version of HAProxy."""

    name = "version"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Version:
        """Read it."""
        version = value if isinstance(value, Version) else parse_version(str(value))
        return version or self.fail("a version is written as 2.6, 3.0.11 or 3.5-dev5", param, ctx)


@click.command(epilog="Exit codes: 0 nothing found, 1 findings, 2 could not look.")
@click.argument("files", nargs=-1, metavar="[HAPROXY.CFG]...")
@click.option("--json", "as_object", is_flag=True, help="Print the report as JSON.")
@click.option("--haproxy", metavar="PATH", help="The HAProxy to ask. Default: the installed one.")
@click.option("--haproxy-version", type=VersionType(), metavar="VERSION", help="Check for this version.")
@click.option(
    "--records",
    type=RecordsType(),
    multiple=True,
    metavar="ADDRESS",
    help=f"Where the agent takes records. Default: as in its settings, or {DEFAULT_RECORDS}.",
)
@click.option(
    "--config", "-c", metavar="FILE", type=click.Path(path_type=Path), help="Read the agent's settings from FILE."
)
@click.option("--offline", is_flag=True, help="Ask neither the agent nor the OTLP endpoint.")
@click.pass_context
def doctor(
    ctx: click.Context,
    files: tuple[str, ...],
    as_object: bool,
    haproxy: str | None,
    haproxy_version: Version | None,
    records: tuple[RecordsAddress, ...],
    config: Path | None,
    offline: bool,
) -> None:
    """Say what is wrong with HAProxy's configuration, and what to do about it.

    Reads the files (default: /etc/haproxy/haproxy.cfg) and the SPOE files they name, lets HAProxy check them,
    and asks the agent and the OTLP endpoint. The environment should be that of HAProxy and the agent. Files may
    be folders, as for haproxy -f.
    """
    source = _source()
    settings = _settings(config, source)
    found = haproxy or haproxyprogram.installed(os.environ)
    patient = Patient(
        files=files or (DEFAULT_FILE,),
        environ=source.environ,
        records=records or settings.records.listen or (DEFAULT_RECORDS,),
        haproxy=(found,) if found else (),
        version=haproxy_version,
        scopes=settings.variables.scopes,
        otlp=settings.export.to == "otlp",
        offline=offline,
    )
    try:
        report = examine(patient)
    except CannotLookError as error:
        raise CouldNotLook(str(error)) from error
    click.echo(_printable(as_json(report) if as_object else as_text(report)))
    ctx.exit(FINDINGS if report.findings else 0)


def _printable(text: str) -> str:
    """Names of files may have bytes, and text signs, that this terminal's encoding has no place for."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def _source() -> Source:
    try:
        return read_source(os.environ)
    except OtelFileError as error:
        raise CouldNotLook(f"the agent's settings: {error}") from error


def _settings(config: Path | None, source: Source) -> Settings:
    try:
        return load(config, source.environ, {}, source.settings).settings
    except SettingsError as error:
        raise CouldNotLook(f"the agent's settings: {error}") from error
