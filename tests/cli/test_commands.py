"""The command itself: its overview, its version, and that it imports only what it runs."""

import platform
import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

import ways
from haproxy_telemetry import __version__
from haproxy_telemetry.cli import COMMANDS, main

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, prog_name="haproxy-telemetry")

    return run


def test_without_arguments_it_shows_the_overview(run: Run) -> None:
    result = run()
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: haproxy-telemetry ")
    for name, line in COMMANDS.items():
        assert f"  {name} " in result.stdout
        assert line in result.stdout
    assert run("--help").stdout == run("-h").stdout == result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_overview_exists_and_has_help(run: Run, name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"Usage: haproxy-telemetry {name} ")


def test_the_version_is_that_of_the_package(run: Run) -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"haproxy-telemetry {__version__}\n")


def test_version_says_how_the_agent_runs_here(run: Run) -> None:
    result = run("version")
    first, hot_path, python, loop = result.stdout.splitlines()
    assert (result.exit_code, first) == (0, f"haproxy-telemetry {__version__}")
    assert hot_path == f"hot path: {ways.EXPECTED}"
    assert python == f"Python: {platform.python_version()} ({platform.python_implementation()})"
    assert loop.startswith("event loop: ")


def test_an_unknown_command_is_wrong_usage(run: Run) -> None:
    result = run("sevre")
    assert result.exit_code == 2
    assert "No such command 'sevre'" in result.stderr


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "haproxy_telemetry", "--version"], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == f"haproxy-telemetry {__version__}\n"


def test_checking_the_settings_imports_neither_the_demo_nor_the_opentelemetry_sdk() -> None:
    code = (
        "import sys\n"
        "from haproxy_telemetry.cli import main\n"
        "main(['serve', '--check'], standalone_mode=False)\n"
        "print([m for m in sys.modules if m.split('.')[0] == 'opentelemetry' or m == 'haproxy_telemetry.cli.demo'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
