"""``haproxy-telemetry config``: which HAProxy it writes for, and what it does to files."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from haproxy_telemetry.cli import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["config", *arguments])


def told(*arguments: str) -> Result:
    return run(*arguments, "--haproxy-version", "3.2.1")


def fake_haproxy(folder: Path, says: str) -> str:
    path = folder / "haproxy"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return str(path)


def test_it_asks_the_haproxy_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_haproxy(tmp_path, "HAProxy version 3.9.1-7 2026/11/11 - https://haproxy.org/")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    done = run("standard")
    assert done.exit_code == 0
    assert "For HAProxy 3.9.1-7;" in done.stdout
    assert f"for HAProxy 3.9.1-7 ({path})" in done.stderr
    assert "newer than any that was tried" in done.stderr


def test_both_files_are_printed_under_their_names() -> None:
    done = told("standard")
    assert done.stdout.index("# ==================== haproxy-lines.txt") == 0
    assert "\n\n# ==================== spoe-otel.cfg\n\n# What HAProxy tells" in done.stdout
    assert "filter spoe engine otel config /etc/haproxy/spoe-otel.cfg" in done.stdout


def test_a_single_file_is_printed_alone() -> None:
    assert told("zero-wait").stdout.startswith("# Lines for haproxy.cfg")


def test_the_printed_command_makes_the_same_again(tmp_path: Path) -> None:
    arguments = ["detailed", "--agent", "unix:/run/a b", "--agent", "h:1", "--records", "unix:/r", "--trust",
                 "{ src ::1 }", "--service", "edge", "--no-cache", "--example", "--bind", "unix:/in",
                 "--origin", "[::1]:80"]  # fmt: skip
    first = told(*arguments).stdout
    made = next(line for line in first.splitlines() if line.startswith("# Made by: "))
    assert made.startswith("# Made by: haproxy-telemetry config detailed --haproxy-version 3.2.1 --agent 'unix:/run/a")
    again = shlex.split(made.removeprefix("# Made by: haproxy-telemetry config ").rpartition(" (")[0])
    assert run(*again).stdout == first


def test_files_are_written_and_named_where_they_are(tmp_path: Path) -> None:
    done = told("standard", "--write", str(tmp_path / "new"))
    assert done.stdout.split() == [str(tmp_path / "new" / name) for name in ("haproxy-lines.txt", "spoe-otel.cfg")]
    lines = (tmp_path / "new" / "haproxy-lines.txt").read_text()
    assert f"filter spoe engine otel config {tmp_path}/new/spoe-otel.cfg" in lines


def test_a_complete_example_is_two_files_beside_each_other(tmp_path: Path) -> None:
    done = told("standard", "--example", "--bind", ":8000", "--origin", "127.0.0.1:8001", "--write", str(tmp_path))
    assert done.exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["haproxy.cfg", "spoe-otel.cfg"]
    assert "filter spoe engine otel config spoe-otel.cfg\n" in (tmp_path / "haproxy.cfg").read_text()


def test_a_file_that_differs_is_kept_unless_forced(tmp_path: Path) -> None:
    arguments = ["standard", "--write", str(tmp_path)]
    assert told(*arguments).exit_code == 0
    assert told(*arguments).exit_code == 0  # the same again
    (tmp_path / "haproxy-lines.txt").unlink()
    (tmp_path / "spoe-otel.cfg").write_text("mine\n")
    refused = told(*arguments)
    assert refused.exit_code == 1
    assert f"{tmp_path}/spoe-otel.cfg is there already and differs; --force replaces it" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["spoe-otel.cfg"]  # all or none
    assert told(*arguments, "--force").exit_code == 0
    assert "mine" not in (tmp_path / "spoe-otel.cfg").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["quick"], "'quick' is not one of"),
        (["standard", "--agent", "7000"], "--agent '7000': there is no port"),
        (["standard", "--records", "localhost:1"], "--records 'localhost:1': it is udp:HOST:PORT"),
        (["standard", "--trust", "src 10.0.0.0/8"], "--trust"),
        (["standard", "--trust", "net", "--example", "--bind", ":80", "--origin", "a:80"], "has no acl net"),
        (["standard", "--haproxy-version", "2.4"], "2.6 is the oldest"),
        (["zero-wait", "--agent", "a:1"], "asks no agent"),
        (["standard", "--mode", "tcp", "--trust", "never"], "no traceparent in mode tcp"),
        (["standard", "--example", "--bind", ":80"], "--example needs --bind and --origin"),
        (["standard", "--origin", "a:80"], "are for --example"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(arguments: list[str], said: str) -> None:
    version = [] if "--haproxy-version" in arguments else ["--haproxy-version", "3.2"]
    done = run(*arguments, *version)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_haproxy_that_is_none_is_refused(tmp_path: Path) -> None:
    done = run("standard", "--haproxy", str(tmp_path / "missing"))
    assert done.exit_code == 1
    assert "cannot be started" in done.stderr
    done = run("standard", "--haproxy", fake_haproxy(tmp_path, "something else"))
    assert done.exit_code == 1
    assert "does not say that it is HAProxy; say --haproxy PATH, or --haproxy-version" in done.stderr


def test_without_a_haproxy_it_asks_for_the_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    done = run("standard")
    assert done.exit_code == 1
    assert "there is no HAProxy on PATH" in done.stderr
    assert "--haproxy-version" in done.stderr
