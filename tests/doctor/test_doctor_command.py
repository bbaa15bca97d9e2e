"""The command: exit codes, the text and the JSON, and what it says where it cannot look."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from doctor.clinic import PROXY, SPOE, replaced
from haproxy_telemetry.cli import main
from otlp.receiver import receiving
from peer.recording_agent import RecordingAgent


@pytest.fixture
def cfg(tmp_path: Path) -> Path:
    path = tmp_path / "haproxy.cfg"
    path.write_text(PROXY)
    (tmp_path / "spoe.cfg").write_text(SPOE)
    return path


def doctor(*arguments: str | Path, **environ: str) -> Result:
    """Run it with an environment of its own, checking for a version that is not the installed one."""
    cleared = {name: None for name in os.environ if name.startswith(("OTEL_", "HAPROXY_TELEMETRY_"))}
    words = ["doctor", "--haproxy-version", "2.7.1", *map(str, arguments)]
    return CliRunner().invoke(main, words, prog_name="haproxy-telemetry", env={**cleared, **environ})


@pytest.fixture
def taken() -> Iterator[str]:
    """An address where somebody takes records."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{receiver.getsockname()[1]}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def test_nothing_found(cfg: Path) -> None:
    result = doctor(cfg, "--offline")
    assert result.exit_code == 0, result.output
    assert "✔ frontend web: SPOE engine [otel] of spoe.cfg, 2 messages\n" in result.stdout
    assert "- not asked: agent and OTLP endpoint (offline)\n" in result.stdout
    assert result.stdout.endswith("\nnothing found\n")
    assert "\x1b" not in result.stdout


def test_a_finding_has_its_sign_its_fix_and_its_place(cfg: Path) -> None:
    cfg.write_text(replaced(PROXY, "    option spop-check\n", "").replace(" if has_context", ""))
    result = doctor(cfg, "--offline")
    assert result.exit_code == 1
    text = result.stdout
    assert "\n⚠ backend agents: no option spop-check" in text
    assert f"\n    fix: option spop-check\n    {cfg}:28  [spop-check-missing]\n" in text
    assert "\n✘ frontend web: set-header traceparent without" in text
    assert text.endswith("\n1 error, 1 warning\n")


def test_json_has_the_same(cfg: Path) -> None:
    cfg.write_text(replaced(PROXY, "    option spop-check\n", ""))
    result = doctor(cfg, "--offline", "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    (finding,) = report["findings"]
    assert finding == {
        "id": "spop-check-missing",
        "severity": "warning",
        "words": "backend agents: no option spop-check, an agent that hangs is not noticed",
        "fix": "option spop-check",
        "file": str(cfg),
        "line": 28,
    }
    assert report["haproxy"] == "2.7.1"
    assert set(report) == {"haproxy", "findings", "well", "not_asked"}


def test_the_agent_and_the_endpoint_are_asked(cfg: Path, taken: str) -> None:
    with RecordingAgent() as agent, receiving() as receiver:
        proxy = replaced(PROXY, "agent1 127.0.0.1:7000", f"agent1 127.0.0.1:{agent.port}")
        cfg.write_text(replaced(proxy, "127.0.0.1:7514", taken))
        endpoint = f"http://127.0.0.1:{receiver.server_port}"
        result = doctor(cfg, "--records", f"udp:{taken}", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert result.exit_code == 0, result.output
    assert f"✔ agent 127.0.0.1:{agent.port} answers SPOP hello (2.0, 16380 bytes," in result.stdout
    assert f"✔ records are taken at udp:{taken}\n" in result.stdout
    assert f"✔ OTLP {endpoint}/v1/traces accepts spans by http/protobuf\n" in result.stdout


def test_nobody_is_there(cfg: Path) -> None:
    agent, endpoint, records = free_port(), f"http://127.0.0.1:{free_port()}", cfg.parent / "records.sock"
    proxy = replaced(PROXY, "agent1 127.0.0.1:7000", f"agent1 127.0.0.1:{agent}")
    cfg.write_text(replaced(proxy, "127.0.0.1:7514", str(records)))
    result = doctor(cfg, "--json", "--records", f"unix:{records}", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert result.exit_code == 1
    found = {finding["id"]: finding for finding in json.loads(result.stdout)["findings"]}
    assert set(found) == {"agent-unreachable", "otlp-refuses", "records-not-taken"}
    assert found["records-not-taken"]["fix"] == f"haproxy-telemetry serve --records unix:{records}"
    assert found["agent-unreachable"]["fix"] == f"haproxy-telemetry serve --listen 127.0.0.1:{agent}"
    assert found["agent-unreachable"]["line"] == 35
    assert cfg.read_text().splitlines()[found["records-not-taken"]["line"] - 1].startswith(f"    log {records} ")
    assert f"OTLP {endpoint}/v1/traces: " in found["otlp-refuses"]["words"]


def test_a_record_that_goes_elsewhere_is_one_line_for_both_findings(cfg: Path) -> None:
    cfg.write_text(replaced(PROXY, "127.0.0.1:7514", "127.0.0.1:9"))
    records = cfg.parent / "records.sock"
    found = json.loads(doctor(cfg, "--json", "--records", f"unix:{records}").stdout)["findings"]
    lines = {finding["id"]: finding["line"] for finding in found if finding["id"].startswith("record")}
    assert set(lines) == {"record-elsewhere", "records-not-taken"}
    assert len(set(lines.values())) == 1


def test_a_variable_of_opentelemetry_that_is_wrong(cfg: Path, taken: str) -> None:
    cfg.write_text(replaced(replaced(PROXY, "agent1 127.0.0.1:7000", "agent1 fd@3"), "127.0.0.1:7514", taken))
    result = doctor(cfg, "--records", f"udp:{taken}", "--json", OTEL_EXPORTER_OTLP_PROTOCOL="pigeon")
    report = json.loads(result.stdout)
    assert [finding["id"] for finding in report["findings"]] == ["otlp-settings"]
    assert "OTEL_EXPORTER_OTLP_PROTOCOL" in report["findings"][0]["words"]
    assert "agent fd@3 (backend agents): it cannot be asked from here" in report["not_asked"]


def test_traces_that_go_elsewhere_than_by_otlp(cfg: Path, taken: str) -> None:
    cfg.write_text(replaced(replaced(PROXY, "agent1 127.0.0.1:7000", "agent1 fd@3"), "127.0.0.1:7514", taken))
    result = doctor(cfg, "--records", f"udp:{taken}", HAPROXY_TELEMETRY_EXPORT_TO="console")
    assert result.exit_code == 0, result.output
    assert "- not asked: OTLP endpoint: the agent's settings export elsewhere\n" in result.stdout


def test_without_haproxy_it_says_so_and_leaves_out_what_depends_on_the_version(cfg: Path) -> None:
    words = ["doctor", str(cfg), "--offline", "--haproxy", "/bin/echo"]
    result = CliRunner().invoke(main, words, prog_name="haproxy-telemetry")
    assert result.exit_code == 0
    assert "- not asked: what depends on HAProxy's version" in result.stdout
    assert "- not asked: haproxy -c: /bin/echo does not say that it is HAProxy\n" in result.stdout


def test_records_are_where_the_agents_settings_say(cfg: Path) -> None:
    cfg.write_text(replaced(PROXY, "127.0.0.1:7514", "/run/records.sock"))
    (cfg.parent / "agent.toml").write_text('[records]\nlisten = ["unix:/run/records.sock"]\n')
    assert doctor(cfg, "--offline", "--config", cfg.parent / "agent.toml").exit_code == 0
    result = doctor(cfg, "--offline")
    assert result.exit_code == 1
    assert (
        "the record goes to stderr, /run/records.sock; the agent takes records at udp:127.0.0.1:7514" in result.stdout
    )


def test_names_that_the_terminal_cannot_show(cfg: Path) -> None:
    """Neither bytes that are no UTF-8 nor a C locale end in a traceback."""
    text = replaced(PROXY, "frontend web", "frontend w\udce9b").replace(" if has_context", "")
    cfg.write_bytes(text.encode("utf-8", "surrogateescape"))
    words = [sys.executable, "-m", "haproxy_telemetry", "doctor", "--offline", "--haproxy-version", "2.7", str(cfg)]
    environ = {"PYTHONIOENCODING": "ascii", "PATH": os.defpath}
    done = subprocess.run(words, capture_output=True, timeout=30, check=False, env=environ)
    assert done.returncode == 1, done.stderr
    assert b"? frontend w?b: set-header traceparent without" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.cfg"], "cannot read none.cfg: No such file or directory"),
        (["."], "cannot read .: there is no .cfg file in it"),
        (["--records", "7514"], "it begins neither with udp: nor with unix:"),
        (["--haproxy-version", "new"], "a version is written as 2.6, 3.0.11 or 3.5-dev5"),
        (["--config", "none.toml"], "the agent's settings: "),
    ],
)
def test_where_it_cannot_look(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctor("--offline", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
