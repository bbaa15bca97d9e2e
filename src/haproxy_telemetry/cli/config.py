"""``haproxy-telemetry config``: asks which HAProxy there is, then prints or writes what it needs for a profile."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haproxy_telemetry import __version__, haproxyprogram
from haproxy_telemetry import haproxyconfig as hc
from haproxy_telemetry.settings.propagators import DEFAULT as PROPAGATORS

if TYPE_CHECKING:
    from collections.abc import Mapping

PROFILES = tuple(profile.value for profile in hc.Profile)
ASK_ELSEWHERE = "say --haproxy PATH, or --haproxy-version for one that is elsewhere"


class WrongOption(click.ClickException):
    """An option that makes no sense, told in one sentence."""

    exit_code = 2


@click.command(
    epilog="Exit codes: 0 done, 1 a file is there already and differs, or no HAProxy answers, 2 wrong usage."
    " Which profile does what, and what each line is for: docs/profiles.md."
)
@click.argument("profile", type=click.Choice(PROFILES))
@click.option("--agent", "agents", multiple=True, metavar="ADDR", help="Where an agent listens: HOST:PORT or"
              " unix:/path. May be repeated. Default: 127.0.0.1:7000.")  # fmt: skip
@click.option("--workers", metavar="N", type=int, default=1, show_default=True,
              help="The workers of each agent (serve --workers): the ports behind, or .2, .3 …")  # fmt: skip
@click.option("--records", metavar="ADDR", default="udp:127.0.0.1:7514", show_default=True,
              help="Where the agent takes records: udp:HOST:PORT or unix:/path.")  # fmt: skip
@click.option("--trust", metavar="always|never|ACL", default="always", show_default=True,
              help="Whose traceparent is believed; an ACL is a name, or '{ src 10.0.0.0/8 }'.")  # fmt: skip
@click.option("--ratio", metavar="R", default="1", show_default=True,
              help="Share of the new traces that is sampled, from 0 to 1.")  # fmt: skip
@click.option("--propagators", metavar="NAMES", default=",".join(PROPAGATORS), show_default=True,
              help="The context's headers, as in OTEL_PROPAGATORS; also: b3, b3multi, jaeger, none.")  # fmt: skip
@click.option("--service", metavar="NAME", default="", help="The spans' service.name. Default: the agent's own.")
@click.option("--mode", type=click.Choice([mode.value for mode in hc.Mode]), default="http", show_default=True,
              help="The mode of the frontends.")  # fmt: skip
@click.option("--no-cache", is_flag=True, help="HAProxy's cache is not used: allows two more events on 3.2 and 3.3.")
@click.option("--no-own-log", is_flag=True,
              help="The frontends have no log but the records: every end has one from 3.1 on.")  # fmt: skip
@click.option("--haproxy", metavar="PATH", help="The HAProxy to ask for its version. Default: the one on PATH.")
@click.option("--haproxy-version", metavar="VERSION", help="Write for this version and ask nobody.")
@click.option("--example", is_flag=True, help="A complete haproxy.cfg; needs --bind and --origin.")
@click.option("--bind", metavar="ADDR", help="With --example: where HAProxy listens.")
@click.option("--origin", metavar="ADDR", help="With --example: the server behind it.")
@click.option("--write", "folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
              help="Write the files into DIR instead of printing them.")  # fmt: skip
@click.option("--force", is_flag=True, help="With --write: replace files that differ.")
def config(profile: str, folder: Path | None, force: bool, **chosen: Any) -> None:
    """Write what HAProxy needs for PROFILE, each line with its reason.

    detailed: eight events, nine spans a request. standard: one event. zero-wait: none, nothing is waited for.
    All of them end by the record, HAProxy's log line at the end of the stream.
    """
    version, source = _version(chosen["haproxy"], chosen["haproxy_version"])
    try:
        options = _options(profile, version, folder, chosen)
    except hc.OptionError as error:
        raise WrongOption(str(error)) from error
    files = hc.generate(options, _command(options))
    for line in (f"for HAProxy {version.text} ({source})", version.note):
        if line:
            click.echo(f"haproxy-telemetry: {line}", err=True)
    if folder is None:
        _print(files)
    else:
        _write(files, folder, force)


def _options(profile: str, version: hc.Version, folder: Path | None, chosen: Mapping[str, Any]) -> hc.Options:
    found = hc.Profile(profile)
    mode = hc.Mode(chosen["mode"])
    _check_use(found, mode, chosen)
    spoe = Path("/etc/haproxy") if folder is None else folder.absolute()
    return hc.Options(
        profile=found,
        version=version,
        agents=tuple(hc.parse_agent(text) for text in chosen["agents"] or ("127.0.0.1:7000",)),
        workers=chosen["workers"],
        records=hc.parse_records(chosen["records"]),
        trust=hc.parse_trust(chosen["trust"]),
        mode=mode,
        cache=not chosen["no_cache"],
        own_log=not chosen["no_own_log"],
        example=_example(chosen),
        spoe_path=str(spoe / hc.SPOE),
        service=chosen["service"],
        ratio=hc.parse_ratio(chosen["ratio"]),
        propagators=hc.parse_formats(chosen["propagators"]),
    )


def _check_use(profile: hc.Profile, mode: hc.Mode, chosen: Mapping[str, Any]) -> None:
    """Refuse options that would have no effect: who gives one expects something of it."""
    if profile is hc.Profile.ZERO_WAIT and chosen["agents"]:
        raise hc.OptionError("--agent", chosen["agents"][0], "in zero-wait HAProxy asks no agent; see --records")
    if profile is hc.Profile.ZERO_WAIT and chosen["workers"] != 1:
        raise hc.OptionError(
            "--workers", str(chosen["workers"]), "in zero-wait HAProxy asks no agent; --records is for all"
        )
    if mode is hc.Mode.TCP and chosen["trust"] != "always":
        raise hc.OptionError("--trust", chosen["trust"], "there is no traceparent in mode tcp")
    if mode is hc.Mode.TCP and chosen["ratio"] != "1":
        raise hc.OptionError("--ratio", chosen["ratio"], "there is no traceparent in mode tcp; see the agent's sampler")
    if mode is hc.Mode.TCP and hc.parse_formats(chosen["propagators"]) != PROPAGATORS:
        raise hc.OptionError("--propagators", chosen["propagators"], "there are no headers in mode tcp")


def _example(chosen: Mapping[str, Any]) -> hc.Example | None:
    bind, origin = chosen["bind"], chosen["origin"]
    if chosen["example"] and bind and origin:
        return hc.Example(hc.parse_bind(bind), hc.parse_origin(origin))
    if chosen["example"]:
        raise click.UsageError("--example needs --bind and --origin")
    if bind or origin:
        raise click.UsageError("--bind and --origin are for --example")
    return None


def _command(options: hc.Options) -> str:
    """Return the command that makes the same again, with all that differs from the defaults."""
    words = ["haproxy-telemetry", "config", options.profile.value, "--haproxy-version", options.version.text]
    if options.uses_spoe:
        words += [word for agent in options.agents for word in ("--agent", str(agent))]
        words += ["--workers", str(options.workers)] if options.workers > 1 else []
    words += ["--records", str(options.records)]
    words += ["--trust", str(options.trust)] if options.http else ["--mode", "tcp"]
    words += ["--ratio", f"{options.ratio:.10g}"] if options.ratio != 1.0 else []
    if options.propagators != PROPAGATORS:
        words += ["--propagators", ",".join(options.propagators) or "none"]
    words += ["--service", options.service] if options.service else []
    words += [] if options.cache else ["--no-cache"]
    words += [] if options.own_log else ["--no-own-log"]
    if options.example is not None:
        bind = options.example.bind.replace("unix@", "unix:")
        words += ["--example", "--bind", bind, "--origin", str(options.example.origin)]
    return f"{shlex.join(words)} ({__version__})"


# The version


def _version(path: str | None, text: str | None) -> tuple[hc.Version, str]:
    """Return the version to write for, and who said so."""
    try:
        if text is not None:
            return hc.parse_version(text), "as told"
        found = path or _installed()
        version = hc.parse_banner(_banner(found))
    except hc.OptionError as error:
        raise WrongOption(str(error)) from error
    if version is None:
        raise click.ClickException(f"{found} does not say that it is HAProxy; {ASK_ELSEWHERE}")
    return version, found


def _installed() -> str:
    found = haproxyprogram.installed(os.environ)
    if found is None:
        raise click.ClickException(f"there is no HAProxy on PATH; {ASK_ELSEWHERE}")
    return found


def _banner(path: str) -> str:
    try:
        return haproxyprogram.ask([path, "-v"], os.environ).stdout
    except haproxyprogram.NoAnswerError as error:
        raise click.ClickException(f"{error}; {ASK_ELSEWHERE}") from error


# The files


def _print(files: tuple[hc.File, ...]) -> None:
    for number, file in enumerate(files):
        if len(files) > 1:
            click.echo(f"{'' if number == 0 else chr(10)}# ==================== {file.name}\n")
        click.echo(file.text, nl=False)


def _write(files: tuple[hc.File, ...], folder: Path, force: bool) -> None:
    """Write all of them or none."""
    paths = [(folder / file.name, file.text) for file in files]
    if not force and (there := [str(path) for path, text in paths if _differs(path, text)]):
        raise click.ClickException(f"{' and '.join(there)} is there already and differs; --force replaces it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in paths:
            path.write_text(text, encoding="utf-8")
            click.echo(path)
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error


def _differs(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() != text.encode("utf-8")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
