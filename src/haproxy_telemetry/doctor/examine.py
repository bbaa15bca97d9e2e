"""The examination: reads, checks, asks, and puts together what was found, what is well and what was not asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from haproxy_telemetry.doctor.catalog import (
    AGENT_UNREACHABLE,
    CHECKS,
    HAPROXY_REFUSES,
    HAPROXY_WARNS,
    OTLP_REFUSES,
    OTLP_SETTINGS,
    RECORDS_NOT_TAKEN,
)
from haproxy_telemetry.doctor.files import read_setup
from haproxy_telemetry.doctor.findings import Finding
from haproxy_telemetry.doctor.probes import (
    AgentHello,
    Alert,
    ask_otlp,
    ask_version,
    check_files,
    say_hello,
    takes_records,
)
from haproxy_telemetry.doctor.proxies import Proxy, Server, parse_server_address
from haproxy_telemetry.doctor.setup import Setup
from haproxy_telemetry.doctor.version import Version
from haproxy_telemetry.otlp.settings import GRPC, read_otlp_settings
from haproxy_telemetry.otlp.variables import ExportConfigError
from haproxy_telemetry.settings.address import RecordsAddress

_CORRECT_FIRST = "correct it first: HAProxy does not start with this"
_AS_IT_SAYS = "correct what HAProxy names, until haproxy -dW -c passes too"
_RUN_AS_HAPROXY = "run the doctor as the user that starts HAProxy"


@dataclass(frozen=True, slots=True)
class Patient:
    """What is to be examined.

    ``haproxy`` is the command that starts it, empty if there is none; ``version`` is taken instead of asking it.
    ``otlp``: whether the agent exports by OTLP. ``offline``: neither agent nor OTLP endpoint are asked.
    """

    files: tuple[str, ...]
    environ: Mapping[str, str]
    records: tuple[RecordsAddress, ...]
    haproxy: tuple[str, ...] = ()
    version: Version | None = None
    scopes: tuple[str, ...] = ("txn", "req")
    otlp: bool = True
    offline: bool = False


@dataclass(slots=True)
class Report:
    """What came of it; ``well`` and ``unasked`` are sentences."""

    version: Version | None = None
    findings: list[Finding] = field(default_factory=list)
    well: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)


def examine(patient: Patient) -> Report:
    """Examine it. Raises CannotLookError for a file that cannot be read."""
    report = Report()
    installed = ask_version(patient.haproxy, patient.environ) if patient.haproxy else None
    report.version = patient.version or installed
    setup = read_setup(patient.files, patient.environ, report.version, patient.records, patient.scopes)
    _say_version(report)
    _ask_haproxy(report, patient, installed)
    _say_setup(report, setup)
    for check in CHECKS:
        report.findings.extend(check.findings(setup))
    if patient.offline:
        report.unasked.append("agent and OTLP endpoint (offline)")
    else:
        _ask_agents(report, setup)
        _ask_records(report, setup)
        _ask_otlp(report, patient)
    return report


def _say_version(report: Report) -> None:
    if report.version is None:
        report.unasked.append(
            "what depends on HAProxy's version: none is installed here; say --haproxy-version or --haproxy PATH"
        )
    else:
        report.well.append(f"HAProxy {report.version}")


def _ask_haproxy(report: Report, patient: Patient, installed: Version | None) -> None:
    """Let HAProxy read the files, if it is the one that will run them."""
    wanted = report.version
    if installed is None or wanted is None:
        report.unasked.append(
            "haproxy -c: HAProxy is not installed here"
            if not patient.haproxy
            else f"haproxy -c: {patient.haproxy[-1]} does not say that it is HAProxy"
        )
        return
    if (installed.major, installed.minor) != (wanted.major, wanted.minor):
        report.unasked.append(f"haproxy -c: HAProxy {installed} is installed, not {wanted}")
        return
    words = check_files(patient.haproxy, patient.files, patient.environ)
    if words is None:
        report.unasked.append("haproxy -c: it gave no answer")
    elif words.accepts:
        report.well.append(f"haproxy -c passes{_warnings(len(words.warnings))}")
        for warning in dict.fromkeys(words.warnings):
            report.findings.append(Finding(HAPROXY_WARNS, f"haproxy -c: {warning.text}", _AS_IT_SAYS, warning.place))
    else:
        for alert in words.alerts or (Alert("it gives no reason", None),):
            fix = _RUN_AS_HAPROXY if "ermission denied" in alert.text else _CORRECT_FIRST
            report.findings.append(Finding(HAPROXY_REFUSES, f"haproxy -c: {alert.text}", fix, alert.place))


def _warnings(count: int) -> str:
    return f", with {count} warning{'s'[: count != 1]} of its own" if count else ""


def _say_setup(report: Report, setup: Setup) -> None:
    for one, engine in setup.ours:
        report.well.append(
            f"{one.proxy}: SPOE engine [{one.name}] of {one.file}, {_count(len(engine.sent), 'message')}"
        )
    for record in setup.written:
        report.well.append(f"{record.proxy}: writes the record at the end of each stream")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _ask_agents(report: Report, setup: Setup) -> None:
    for proxy, server in _agents(setup):
        address = parse_server_address(server.address)
        if address is None or "ssl" in server.parameters or any(p.startswith("send-proxy") for p in server.parameters):
            report.unasked.append(f"agent {server.address} ({proxy}): it cannot be asked from here")
            continue
        answer = say_hello(address)
        if isinstance(answer, AgentHello):
            report.well.append(
                f"agent {address} answers SPOP hello"
                f" ({answer.version}, {answer.max_frame_size} bytes, {answer.seconds * 1000:.1f} ms)"
            )
        else:
            words = f"agent {address} ({proxy}, server {server.name}): {answer.problem}"
            fix = f"haproxy-telemetry serve --listen {address}"
            report.findings.append(Finding(AGENT_UNREACHABLE, words, fix, server.place))


def _agents(setup: Setup) -> Iterator[tuple[Proxy, Server]]:
    for proxy, _ in setup.agent_backends:
        for server in proxy.servers:
            yield proxy, server


def _ask_records(report: Report, setup: Setup) -> None:
    for address in setup.records if setup.written else ():
        taken = takes_records(address)
        if taken is None:
            report.unasked.append(f"records at {address}: that cannot be known from here")
        elif taken:
            report.well.append(f"records are taken at {address}")
        else:
            words, fix = f"nobody takes records at {address}", f"haproxy-telemetry serve --records {address}"
            report.findings.append(Finding(RECORDS_NOT_TAKEN, words, fix, setup.written[0].place_of(address)))


def _ask_otlp(report: Report, patient: Patient) -> None:
    if not patient.otlp:
        report.unasked.append("OTLP endpoint: the agent's settings export elsewhere")
        return
    try:
        settings = read_otlp_settings(patient.environ)
    except ExportConfigError as error:
        words = f"{error.variable}={error.value!r}: {error.problem}"
        report.findings.append(Finding(OTLP_SETTINGS, words, error.fix))
        return
    problem = ask_otlp(settings)
    if problem:
        port = 4317 if settings.protocol == GRPC else 4318
        fix = f"start the collector, or name it: OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:{port}"
        report.findings.append(Finding(OTLP_REFUSES, f"OTLP {settings.shown_url}: {problem}", fix))
    else:
        report.well.append(f"OTLP {settings.shown_url} accepts spans by {settings.protocol}")
