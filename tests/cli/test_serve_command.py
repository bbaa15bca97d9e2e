"""``serve`` up to the server: what reaches it from flags, environment and file, and what ``--check`` prints."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from click.testing import CliRunner, Result

from haproxy_telemetry.cli import main
from haproxy_telemetry.exporters import ExportConfigError, make_exporter
from haproxy_telemetry.settings import Settings, TcpAddress, UnixAddress, load_settings
from haproxy_telemetry.stats import Stats


@dataclass
class Served:
    """What the command did; ``settings`` is None if the server did not run."""

    result: Result
    given: Settings | None

    @property
    def settings(self) -> Settings:
        assert self.given is not None, self.result.output
        return self.given

    @property
    def exit_code(self) -> int:
        return self.result.exit_code

    @property
    def output(self) -> str:
        return self.result.output

    @property
    def stdout(self) -> str:
        return self.result.stdout

    @property
    def stderr(self) -> str:
        return self.result.stderr


class Serve(Protocol):
    def __call__(self, *arguments: str, environ: Mapping[str, str] | None = None, code: int = 0) -> Served: ...


class Service:
    """In the place of the server: it only keeps what it was given."""

    def __init__(self) -> None:
        self.given: Settings | None = None
        self.code = 0

    def run(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        load_again: Callable[[], Settings],
        said: Sequence[str] = (),
    ) -> int:
        self.given = settings
        return self.code


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Run ``serve`` with such a server."""
    service = Service()
    monkeypatch.setattr("haproxy_telemetry.service", service, raising=False)

    def serve(*arguments: str, environ: Mapping[str, str] | None = None, code: int = 0) -> Served:
        service.given, service.code = None, code
        return Served(CliRunner().invoke(main, ["serve", *arguments], env=environ), service.given)

    return serve


def test_every_flag_reaches_the_server(serve: Serve) -> None:
    flags = "--listen [::1]:0 --listen unix:/a --strict-dsl --var-scope sess --var-scope res --export file"
    result = serve(*flags.split(), "--export-file", "/b c", "--log-format", "json", "--log-level", "error")
    settings = result.settings
    assert result.exit_code == 0, result.output
    assert settings.listen == (TcpAddress("::1", 0), UnixAddress("/a"))
    assert settings.dsl.strict is True
    assert settings.variables.scopes == ("sess", "res")
    assert (settings.export.to, str(settings.export.file)) == ("file", "/b c")
    assert (settings.log.format, settings.log.level) == ("json", "error")


def test_file_environment_and_flags_reach_the_server_in_their_order(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text("listen = ['a:1']\n[trace]\nttl = 1\nmax_spans = 1\n")
    environ = {"HAPROXY_TELEMETRY_LISTEN": "b:1", "HAPROXY_TELEMETRY_TRACE_TTL": "2"}
    settings = serve("--config", str(path), "--listen", "c:1", environ=environ).settings
    assert settings.listen == (TcpAddress("c", 1),)
    assert (settings.trace.ttl, settings.trace.max_spans) == (2.0, 1)


@pytest.mark.parametrize("code", [0, 1])
def test_the_exit_code_is_that_of_the_server(serve: Serve, code: int) -> None:
    assert serve(code=code).exit_code == code


def test_wrong_settings_are_one_line_and_code_2_and_no_server(serve: Serve) -> None:
    result = serve("--listen", "7000")
    assert (result.exit_code, result.stdout, result.given) == (2, "", None)
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(
        "haproxy-telemetry: command line: --listen is '7000': there is no port; an address is HOST:PORT"
    )


def test_the_help_names_a_default_where_there_is_one(serve: Serve) -> None:
    words = " ".join(serve("--help").output.split())
    assert "Default: 127.0.0.1:7000." in words
    assert "Default: txn, req." in words
    assert "Default: ." not in words


def test_check_prints_a_file_that_gives_the_same_settings_and_does_not_serve(serve: Serve, tmp_path: Path) -> None:
    target = tmp_path / 'a "b" \\c\té'
    flags = ["--listen", "[::1]:7", "--strict-dsl", "--export", "file", "--export-file", str(target)]
    result = serve("--check", *flags, environ={"HAPROXY_TELEMETRY_TRACE_UPSTREAM_SPAN": "origin\x7f"})
    assert (result.exit_code, result.given) == (0, None)
    path = tmp_path / "agent.toml"
    path.write_text(result.stdout)
    assert (
        load_settings(path, {}, {})
        == serve(*flags, environ={"HAPROXY_TELEMETRY_TRACE_UPSTREAM_SPAN": "origin\x7f"}).settings
    )


def test_check_says_where_each_setting_comes_from(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text("[trace]\nttl = 1\n")
    lines = serve("-t", "-c", str(path), "--log-level", "debug").stdout.splitlines()
    assert [line.split("# ")[1] for line in lines if line.startswith(("ttl ", "level ", "to "))] == [
        f"{path}:2",
        "default",
        "command line, --log-level",
    ]


@pytest.mark.parametrize(
    ("protocol", "target"),
    [
        ("grpc", "http://localhost:4317 by grpc"),
        ("http/json", "http://localhost:4318/v1/traces by http/json"),
        ("", "http://localhost:4318/v1/traces by http/protobuf"),
    ],
)
def test_check_knows_all_protocols(serve: Serve, protocol: str, target: str) -> None:
    result = serve("--check", environ={"OTEL_EXPORTER_OTLP_PROTOCOL": protocol})
    assert f"traces go to {target}." in result.stdout


def test_check_says_where_otlp_goes_and_keeps_its_secrets(serve: Serve) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_HEADERS": "key=secret"}
    result = serve("--check", environ=environ)
    assert "http://127.0.0.1:4318/v1/traces" in result.stdout
    assert "secret" not in result.output


def test_check_says_where_metrics_and_logs_go_if_they_go_by_otlp(serve: Serve) -> None:
    environ = {
        "OTEL_METRICS_EXPORTER": "otlp,prometheus",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://logs.example/in?key=secret",
    }
    result = serve("--check", "--export", "none", environ=environ)
    metrics = "metrics go to http://localhost:4318/v1/metrics by http/protobuf"
    logs = "logs go to https://logs.example/in by http/protobuf"
    assert f"# By the OTEL_* variables, {metrics}, {logs}.\n" in result.stdout
    assert f"traces go to http://localhost:4318/v1/traces by http/protobuf, {metrics}, {logs}.\n" in (
        serve("--check", environ=environ).stdout
    )


def test_check_names_the_variables_that_decide_nothing(serve: Serve) -> None:
    """Who switches tracing off by one of them must not learn it from a trace store that goes on filling."""
    environ = {"OTEL_TRACES_EXPORTER": "none", "OTEL_SDK_DISABLED": "true", "OTEL_SERVICE_NAME": "edge"}
    result = serve("--check", environ=environ)
    assert result.exit_code == 0
    assert result.stdout.endswith("# Set, and deciding nothing here: OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER.\n")
    assert "deciding nothing" not in serve("--check", environ={"OTEL_SERVICE_NAME": "edge"}).stdout


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "nonsense"},
        {"OTEL_BSP_MAX_QUEUE_SIZE": "0"},
        {"OTEL_RESOURCE_ATTRIBUTES": "nonsense"},
    ],
)
def test_check_finds_what_is_wrong_with_the_variables_of_opentelemetry(serve: Serve, environ: dict[str, str]) -> None:
    result = serve("--check", environ=environ)
    (name,) = environ
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"haproxy-telemetry: environment: {name}=")


@pytest.mark.parametrize("arguments", [["--export", "file"], ["--config", "/nowhere/agent.toml"], ["--no-such-flag"]])
def test_check_of_what_is_wrong_exits_with_2(serve: Serve, arguments: list[str]) -> None:
    result = serve("--check", *arguments)
    assert (result.exit_code, result.stdout, result.given) == (2, "", None)


def test_a_path_that_is_no_utf_8_can_be_shown(serve: Serve, tmp_path: Path) -> None:
    result = serve("--check", "--export", "file", "--export-file", f"{tmp_path}/a\udcff")
    assert result.exit_code == 0
    assert r"/a\\udcff" in result.stdout


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("missing/x.jsonl", "No such file or directory"),
        ("precious/x.jsonl", "Not a directory"),
        (".", "Is a directory"),
    ],
)
def test_check_finds_a_file_that_cannot_be_written(serve: Serve, tmp_path: Path, path: str, problem: str) -> None:
    (tmp_path / "precious").write_text("data")
    file = str(tmp_path / path)
    result = serve("--check", "--export", "file", "--export-file", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"haproxy-telemetry: --export-file={file!r}: can't be opened ({problem});")


def test_check_says_the_same_as_serve_of_a_file_that_cannot_be_written(serve: Serve, tmp_path: Path) -> None:
    for file in (tmp_path, tmp_path / "missing" / "x"):
        checked = serve("--check", "--export", "file", "--export-file", str(file))
        with pytest.raises(ExportConfigError) as refused:
            make_exporter("file", {}, Stats(), file=file)
        assert checked.stderr == f"haproxy-telemetry: {refused.value}\n"


def test_check_writes_nothing(serve: Serve, tmp_path: Path) -> None:
    there, new = tmp_path / "there", tmp_path / "new"
    there.write_text("data")
    for file in (there, new):
        assert serve("--check", "--export", "file", "--export-file", str(file)).exit_code == 0
    assert there.read_text() == "data"
    assert not new.exists()


OTEL_FILE = """
file_format: "1.0"
tracer_provider:
  processors: [{batch: {exporter: {otlp_grpc: {endpoint: "%s"}}}}]
"""


def test_check_of_opentelemetrys_own_file(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "otel.yaml"
    file.write_text(OTEL_FILE % "http://collector:4317")
    result = serve("--check", environ={"OTEL_CONFIG_FILE": str(file), "OTEL_SERVICE_NAME": "edge"})
    assert result.exit_code == 0, result.output
    assert f"# By {file}, traces go to http://collector:4317 by grpc.\n" in result.stdout
    assert f"# {file}: with OTEL_CONFIG_FILE these variables count in its references only: OTEL_SERVICE_NAME.\n" in (
        result.stdout
    )


@pytest.mark.parametrize("check", [("--check",), ()])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (OTEL_FILE % "http://collector/path", "tracer_provider.processors[0].batch.exporter.otlp_grpc.endpoint: "),
        (OTEL_FILE % "" + "tracer_provdier: {}\n", "tracer_provdier: "),
        (OTEL_FILE % "" + "  limits: {link_count_limit: 0}\n", "tracer_provider.limits.link_count_limit is 0"),
        (
            OTEL_FILE % "" + "propagator: {composite_list: 'tracecontext,b33'}\n",
            "propagator.composite: OTEL_PROPAGATORS",
        ),
    ],
)
def test_a_mistake_in_opentelemetrys_own_file_is_named_by_its_place_and_nothing_starts(
    serve: Serve, tmp_path: Path, check: tuple[str, ...], text: str, problem: str
) -> None:
    file = tmp_path / "otel.yaml"
    file.write_text(text)
    result = serve(*check, environ={"OTEL_CONFIG_FILE": str(file)})
    assert (result.exit_code, result.given) == (2, None)
    assert result.stderr.startswith(f"haproxy-telemetry: {file}: {problem}")
