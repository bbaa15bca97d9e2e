"""Configurations that are right have no finding: ours, on every version, with HAProxy's own check where it is there."""

from __future__ import annotations

from pathlib import Path

import haproxy_versions
import pytest

from doctor.clinic import PROXY, RECORDS, SPOE, findings_of, line_of, replaced
from haproxy_telemetry import haproxyconfig as hc
from haproxy_telemetry.doctor.examine import Patient, examine
from haproxy_telemetry.doctor.files import read_setup
from haproxy_telemetry.doctor.findings import Severity
from haproxy_telemetry.doctor.version import parse_version
from haproxy_telemetry.settings import TcpAddress

DEMO = Path(__file__).parents[2] / "demo" / "opentracing"
VERSIONS = ("2.6.12", "2.8.25", "3.0.11", "3.1.0", "3.2.26", "3.3.0", "3.4.0", "3.5-dev5")
INSTALLED = haproxy_versions.discover().versions
AGENTS = (TcpAddress("127.0.0.1", 7000), TcpAddress("127.0.0.1", 7002))


def write(folder: Path, profile: hc.Profile, version: str, mode: hc.Mode, trust: str = "always") -> str:
    """Have the generator write a complete example; return the path of haproxy.cfg."""
    options = hc.Options(
        profile=profile,
        version=hc.parse_version(version),
        agents=AGENTS,
        trust=hc.parse_trust(trust),
        mode=mode,
        example=hc.Example("127.0.0.1:7001", TcpAddress("127.0.0.1", 8080)),
    )
    for file in hc.generate(options, "test"):
        (folder / file.name).write_text(file.text)
    return str(folder / hc.PROXY)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mode", hc.Mode)
@pytest.mark.parametrize("profile", hc.Profile)
def test_every_generated_configuration(profile: hc.Profile, mode: hc.Mode, version: str, tmp_path: Path) -> None:
    path = write(tmp_path, profile, version, mode)
    found = findings_of(read_setup([path], {}, parse_version(version), RECORDS, ("txn", "req")))
    assert [finding.words for finding in found] == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("profile", hc.Profile)
def test_a_generated_traceparent_without_its_condition(profile: hc.Profile, version: str, tmp_path: Path) -> None:
    path = Path(write(tmp_path, profile, version, hc.Mode.HTTP))
    path.write_text(
        replaced(path.read_text(), "%[var(txn.otel_up)] if { var(txn.otel_up) -m found }", "%[var(txn.otel_up)]")
    )
    found = findings_of(read_setup([str(path)], {}, parse_version(version), RECORDS, ("txn", "req")))
    assert [(one.kind.id, line_of(one)) for one in found] == [
        ("header-emptied", "http-request set-header traceparent %[var(txn.otel_up)]")
    ]
    assert found[0].fix == "add: if { var(txn.otel_up) -m found }"
    assert "where txn.otel_up is not set" in found[0].words


@pytest.mark.parametrize("trust", ["never", "{ src 10.0.0.0/8 }"])
@pytest.mark.parametrize("profile", hc.Profile)
def test_whomever_it_trusts(profile: hc.Profile, trust: str, tmp_path: Path) -> None:
    path = write(tmp_path, profile, "3.2.26", hc.Mode.HTTP, trust)
    found = findings_of(read_setup([path], {}, parse_version("3.2.26"), RECORDS, ("txn", "req")))
    assert [finding.words for finding in found] == []


@pytest.mark.parametrize("installed", INSTALLED, ids=lambda installed: installed.name)
@pytest.mark.parametrize("profile", hc.Profile)
def test_with_haproxy_itself(profile: hc.Profile, installed: haproxy_versions.HaproxyVersion, tmp_path: Path) -> None:
    path = write(tmp_path, profile, installed.full, hc.Mode.HTTP)
    report = examine(Patient((path,), {}, RECORDS, haproxy=installed.command, offline=True))
    assert [finding.words for finding in report.findings] == []
    assert str(report.version) == installed.full
    assert "haproxy -c passes" in report.well


@pytest.mark.parametrize("installed", INSTALLED, ids=lambda installed: installed.name)
def test_the_configuration_of_these_tests(installed: haproxy_versions.HaproxyVersion, tmp_path: Path) -> None:
    """So that what the other tests break was right before."""
    right = replaced(PROXY, "global\n    log", "global\n    default-path config\n    log")
    (tmp_path / "haproxy.cfg").write_text(right)
    (tmp_path / "spoe.cfg").write_text(SPOE)
    report = examine(Patient((str(tmp_path / "haproxy.cfg"),), {}, RECORDS, haproxy=installed.command, offline=True))
    assert report.findings == []
    assert "haproxy -c passes" in report.well


@pytest.mark.parametrize("version", ["2.6.12", "2.8.25", "3.0.11", "3.2.26"])
def test_the_demo_has_what_its_comments_say_and_nothing_else(version: str) -> None:
    """It is generous with time, since it may share a busy machine; on 2.6 it lives with events of the response."""
    said = {"timeout-processing-long"} | ({"response-events-hang"} if version == "2.6.12" else set())
    setup = read_setup([str(DEMO / "haproxy.cfg")], {}, parse_version(version), RECORDS, ("txn", "req"))
    assert {finding.kind.id for finding in findings_of(setup)} <= said


@pytest.mark.parametrize("installed", INSTALLED, ids=lambda installed: installed.name)
def test_each_warning_of_haproxys_own_is_a_finding(installed: haproxy_versions.HaproxyVersion, tmp_path: Path) -> None:
    wrong = replaced(PROXY, "global\n    log", "global\n    default-path config\n    log")
    wrong = replaced(wrong, "    timeout client 50s\n", "")
    (tmp_path / "haproxy.cfg").write_text(wrong)
    (tmp_path / "spoe.cfg").write_text(SPOE)
    report = examine(Patient((str(tmp_path / "haproxy.cfg"),), {}, RECORDS, haproxy=installed.command, offline=True))
    assert [(one.kind.id, one.kind.severity) for one in report.findings] == [("haproxy-warns", Severity.WARNING)]
    assert "missing timeouts for frontend 'web'" in report.findings[0].words
    assert "haproxy -c passes, with 1 warning of its own" in report.well


def test_words_of_haproxy_that_refuses(tmp_path: Path) -> None:
    if not INSTALLED:
        pytest.skip("there is no HAProxy here")
    wrong = replaced(PROXY, "global\n    log", "global\n    default-path config\n    nonsense 1\n    log")
    (tmp_path / "haproxy.cfg").write_text(wrong)
    (tmp_path / "spoe.cfg").write_text(SPOE)
    command = INSTALLED[0].command
    report = examine(Patient((str(tmp_path / "haproxy.cfg"),), {}, RECORDS, haproxy=command, offline=True))
    assert [finding.kind.id for finding in report.findings] == ["haproxy-refuses"]
    assert "unknown keyword 'nonsense'" in report.findings[0].words
    assert line_of(report.findings[0]) == "nonsense 1"
