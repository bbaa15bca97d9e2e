"""``haproxy-telemetry serve``: the settings from everywhere, then the server."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import click

from haproxy_telemetry.otelfile import OtelFileError, Source, read_source
from haproxy_telemetry.settings import Loaded, Settings, SettingsError, load
from haproxy_telemetry.settings.catalog import CONFIG_VARIABLE, SETTINGS, Setting
from haproxy_telemetry.settings.opentelemetry import not_obeyed
from haproxy_telemetry.settings.toml import as_toml, in_words


class WrongSettings(click.ClickException):
    """What is wrong with the settings, told without a traceback and without the usage."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the one line, as the agent does when it cannot begin."""
        click.echo(f"haproxy-telemetry: {self.message}", file=file, err=True)


def _option(setting: Setting) -> Callable[[Any], Any]:
    """Return the option of a setting. Values stay text: the loader checks all three sources alike."""
    flag, parameter = setting.about.flag, setting.name.replace(".", "__")
    if setting.kind is bool:
        return click.option(flag, parameter, is_flag=True, help=text_of(setting))
    if setting.about.flag_value:
        return click.option(
            flag,
            parameter,
            is_flag=False,
            flag_value=setting.about.flag_value,
            metavar=f"[{metavar_of(setting)}]",
            help=text_of(setting),
        )
    return click.option(flag, parameter, multiple=setting.many, metavar=metavar_of(setting), help=text_of(setting))


def text_of(setting: Setting) -> str:
    """Return what ``--help`` says of a setting."""
    what = setting.about.what[0].upper() + setting.about.what[1:]
    if setting.kind is bool:
        return f"{what}."
    if setting.choices and setting.about.metavar:
        what += f": {', '.join(setting.choices)}"
    again = " May be repeated." if setting.many else ""
    default = "" if setting.default in (None, ()) else f" Default: {in_words(setting.default)}."
    return f"{what}.{again}{default}"


def metavar_of(setting: Setting) -> str:
    """Return how ``--help`` calls its value."""
    return setting.about.metavar or "|".join(setting.choices)


def _options_of_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    for setting in reversed([one for one in SETTINGS if one.about.flag]):
        command = _option(setting)(command)
    return command


@click.command(
    epilog=f"All settings are in the file (TOML) and in the environment ({CONFIG_VARIABLE} names the file)."
    " Flags win over the environment, the environment over the file. Where OTLP goes is said by"
    " OpenTelemetry's variables OTEL_EXPORTER_OTLP_*. Exit codes: 0 stopped as asked, 1 failed, 2 wrong settings."
)
@_options_of_settings
@click.option("--config", "-c", metavar="FILE", type=click.Path(path_type=Path), help="Read settings from FILE.")
@click.option("--check", "-t", is_flag=True, help="Print the settings and exit.")
@click.pass_context
def serve(ctx: click.Context, /, config: Path | None, check: bool, **flags: object) -> None:
    """Run the agent.

    HAProxy connects to it by SPOP; traces leave it by OTLP.
    """
    named = {name.replace("__", "."): value for name, value in flags.items()}
    source = _source()
    loaded = _load(config, source, named)
    if check or source.file:  # what a file of OpenTelemetry's says is judged here, where its places are known
        targets, sampler = _judge(loaded.settings, source)
    if check:
        _print(loaded, source, targets, sampler)
    else:
        ctx.exit(_run(loaded.settings, source, lambda: load(config, source.environ, named, source.settings).settings))


def _source() -> Source:
    try:
        return read_source(os.environ)
    except OtelFileError as error:
        raise WrongSettings(str(error)) from error


def _load(config: Path | None, source: Source, flags: dict[str, object]) -> Loaded:
    try:
        return load(config, source.environ, flags, source.settings)
    except SettingsError as error:
        raise WrongSettings(source.in_words(str(error))) from error


def _judge(settings: Settings, source: Source) -> tuple[Mapping[str, str], str]:
    """Find all that can be wrong, without starting anything; return what goes where and how traces are sampled."""
    targets = _export_targets(settings, source)
    _check_file(settings)
    sampler = _sampler(settings, source)
    _check_conventions(settings, source)
    return targets, sampler


def _print(loaded: Loaded, source: Source, targets: Mapping[str, str], sampler: str) -> None:
    """Print what the agent would run with."""
    click.echo(as_toml(loaded))
    for words in source.said:
        click.echo(f"# {words}.")
    click.echo(f"# Sampled: {sampler}.")
    by = f"By {source.file}" if source.file else "By the OTEL_* variables"
    right = f"{source.file} is" if source.file else "The OTEL_* variables are"
    ways = ", ".join(f"{what} go to {where}" for what, where in targets.items())
    click.echo(f"# {by}, {ways}." if ways else f"# {right} right.")
    if in_vain := not_obeyed(source.environ):
        click.echo(f"# Set, and deciding nothing here: {', '.join(in_vain)}.")


def _sampler(settings: Settings, source: Source) -> str:
    """Return in words what the settings and OTEL_TRACES_SAMPLER come to."""
    from haproxy_telemetry.reload import make_sampling
    from haproxy_telemetry.sampling import SamplerError

    try:
        return str(make_sampling(settings.sampling, source.environ).sampler)
    except SamplerError as error:
        raise WrongSettings(source.in_words(str(error))) from error


def _export_targets(chosen: Settings, source: Source) -> Mapping[str, str]:
    """Return where each signal goes by OTLP and how; those that don't are left out. Headers are secrets, not shown."""
    from haproxy_telemetry.exporters import read_outlets
    from haproxy_telemetry.otlp.resource import read_resource_attributes
    from haproxy_telemetry.otlp.variables import ExportConfigError
    from haproxy_telemetry.propagation import read_propagators
    from haproxy_telemetry.settings.propagators import PropagatorsError

    try:
        read_propagators(source.environ)
        read_resource_attributes(source.environ, "check")
        outlets = read_outlets(source.environ, "check")
        traces = _traces_target(chosen, source.environ)
    except (ExportConfigError, PropagatorsError) as error:
        raise WrongSettings(source.in_words(str(error)) if source.file else f"environment: {error}") from error
    by_otlp = (("metrics", outlets.metrics), ("logs", outlets.logs))
    shown = {"traces": traces} | {what: one.shown if one is not None else "" for what, one in by_otlp}
    return {what: where for what, where in shown.items() if where}


def _traces_target(chosen: Settings, environ: Mapping[str, str]) -> str:
    """Return where traces go by OTLP, ``""`` for the other exporters."""
    from haproxy_telemetry.exporters import only_viewer
    from haproxy_telemetry.otlp.settings import read_batch_limits, read_otlp_settings

    if chosen.export.to != "otlp":
        return ""
    read_batch_limits(environ)
    if chosen.viewer.listen != "off" and only_viewer(chosen.export.to, environ):
        return f"the viewer at {chosen.viewer.listen}"
    return read_otlp_settings(environ).shown


def _check_file(settings: Settings) -> None:
    from haproxy_telemetry.exporters import ExportConfigError, check_file
    from haproxy_telemetry.recorder.files import NoRecordingError, check_recording

    try:
        if settings.export.to == "file":
            check_file(settings.export.file)
        if settings.recorder.file is not None:
            check_recording(settings.recorder.file)
    except (ExportConfigError, NoRecordingError) as error:
        raise WrongSettings(str(error)) from error


def _check_conventions(settings: Settings, source: Source) -> None:
    from haproxy_telemetry.conventions import make_conventions

    try:
        make_conventions(settings, source.environ)
    except SettingsError as error:
        raise WrongSettings(source.in_words(str(error))) from error


def _run(settings: Settings, source: Source, load_again: Callable[[], Settings]) -> int:
    if settings.viewer.listen != "off":
        from haproxy_telemetry.cli.viewer import check_viewer_packages

        check_viewer_packages()
    if settings.server.workers > 1:
        from haproxy_telemetry.workers import supervisor

        return supervisor.run(settings, source.environ, load_again, source.said)
    from haproxy_telemetry import service

    return service.run(settings, source.environ, load_again, source.said)
