"""From file, environment and flags to settings: what wins, and what each mistake is told as."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from haproxy_telemetry.settings import (
    Settings,
    SettingsError,
    TcpAddress,
    UnixAddress,
    load,
    load_settings,
)
from haproxy_telemetry.settings.catalog import SETTINGS
from haproxy_telemetry.settings.errors import BadValueError, ConflictError, UnknownSettingError
from haproxy_telemetry.settings.toml import as_toml

WriteFile = Callable[[str], Path]


@pytest.fixture
def file(tmp_path: Path) -> WriteFile:
    path = tmp_path / "agent.toml"

    def write(text: str) -> Path:
        path.write_text(text)
        return path

    return write


def mistake(
    config: Path | None = None, environ: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load_settings(config, environ or {}, flags or {})
    return caught.value


# What is not given


def test_nothing_given_is_the_defaults() -> None:
    settings = load_settings(None, {"PATH": "/bin", "OTEL_SERVICE_NAME": "edge"}, {})
    assert settings == Settings()
    assert settings.listen == (TcpAddress("127.0.0.1", 7000),)
    assert settings.variables.scopes == ("txn", "req")
    assert settings.export.to == "otlp"


def test_flags_that_were_not_used_do_not_count() -> None:
    flags = {"listen": (), "dsl.strict": False, "export.to": None}
    assert load_settings(None, {"HAPROXY_TELEMETRY_DSL_STRICT": "true"}, flags).dsl.strict is True


def test_an_empty_variable_and_an_empty_file_count_as_not_given(file: WriteFile) -> None:
    assert load_settings(file(""), {"HAPROXY_TELEMETRY_LISTEN": "", "HAPROXY_TELEMETRY_CONFIG": ""}, {}) == Settings()


def test_every_default_is_within_its_own_bounds(file: WriteFile) -> None:
    text = as_toml(load(None, {}, {}))
    assert load_settings(file(text), {}, {}) == Settings()


# What is given, and what wins


def test_each_source_gives_every_kind_of_value(file: WriteFile) -> None:
    path = file(
        'listen = ["[::1]:0", "unix:/a"]\n'
        "[dsl]\nstrict = true\n[variables]\nscopes = ['proc']\n[trace]\nttl = 7\nmax_traces = 3\nupstream_span = 'x'\n"
        "[export]\nto = 'file'\nfile = '/b'\n[log]\nlevel = 'debug'\n"
    )
    environ = {
        "HAPROXY_TELEMETRY_LISTEN": "[::1]:0, unix:/a",
        "HAPROXY_TELEMETRY_DSL_STRICT": "true",
        "HAPROXY_TELEMETRY_VARIABLES_SCOPES": "proc",
        "HAPROXY_TELEMETRY_TRACE_TTL": "7",
        "HAPROXY_TELEMETRY_TRACE_MAX_TRACES": "3",
        "HAPROXY_TELEMETRY_TRACE_UPSTREAM_SPAN": "x",
        "HAPROXY_TELEMETRY_EXPORT_TO": "file",
        "HAPROXY_TELEMETRY_EXPORT_FILE": "/b",
        "HAPROXY_TELEMETRY_LOG_LEVEL": "debug",
    }
    flags = {
        "listen": ("[::1]:0", "unix:/a"),
        "dsl.strict": True,
        "variables.scopes": ("proc",),
        "trace.ttl": "7",
        "trace.max_traces": "3",
        "trace.upstream_span": "x",
        "export.to": "file",
        "export.file": "/b",
        "log.level": "debug",
    }
    settings = load_settings(path, {}, {})
    assert settings == load_settings(None, environ, {}) == load_settings(None, {}, flags)
    assert settings.listen == (TcpAddress("::1", 0), UnixAddress("/a"))
    assert (settings.dsl.strict, settings.variables.scopes) == (True, ("proc",))
    assert (settings.trace.ttl, type(settings.trace.ttl), settings.trace.max_traces) == (7.0, float, 3)
    assert (settings.trace.upstream_span, settings.export.file) == ("x", Path("/b"))
    assert settings.log.level == "debug"
    assert settings.trace.max_spans == Settings().trace.max_spans


def test_flags_win_over_the_environment_and_that_over_the_file(file: WriteFile) -> None:
    path = file('listen = ["a:1"]\n[log]\nlevel = "error"\nformat = "json"\n[trace]\nttl = 1\n')
    environ = {"HAPROXY_TELEMETRY_LISTEN": "b:2", "HAPROXY_TELEMETRY_LOG_LEVEL": "warning"}
    loaded = load(path, environ, {"listen": ("c:3",)})
    assert loaded.settings.listen == (TcpAddress("c", 3),)
    assert loaded.settings.log.level == "warning"
    assert loaded.settings.log.format == "json"
    assert loaded.origins["listen"] == "command line, --listen"
    assert loaded.origins["log.level"] == "environment, HAPROXY_TELEMETRY_LOG_LEVEL"
    assert loaded.origins["trace.ttl"] == f"{path}:6"
    assert loaded.origins["trace.max_spans"] == "default"


def test_the_environment_can_take_back_what_the_file_says(file: WriteFile) -> None:
    path = file("[dsl]\nstrict = true\n")
    assert load_settings(path, {"HAPROXY_TELEMETRY_DSL_STRICT": "false"}, {}).dsl.strict is False


def test_the_environment_can_name_the_file_and_the_flag_wins(file: WriteFile, tmp_path: Path) -> None:
    environ = {"HAPROXY_TELEMETRY_CONFIG": str(file("[trace]\nttl = 1\n"))}
    other = tmp_path / "other.toml"
    other.write_text("[trace]\nttl = 2\n")
    assert load_settings(None, environ, {}).trace.ttl == 1.0
    assert load_settings(other, environ, {}).trace.ttl == 2.0


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().trace.ttl = 1.0  # type: ignore[misc]  # what the test is about


# What does not exist


def test_an_unknown_key_is_told_with_file_line_and_the_nearest(file: WriteFile) -> None:
    path = file("# a comment\n[trace]\nttl = 1\nmax_trace = 5\n")
    error = mistake(path)
    assert isinstance(error, UnknownSettingError)
    assert str(error) == f"{path}:4: unknown setting [trace] max_trace; did you mean [trace] max_traces?"


@pytest.mark.parametrize(
    ("text", "line", "nearest"),
    [
        ("lisen = ['a:1']", 1, "listen"),
        ("\n[traces]\nttl = 1", 2, "[trace]"),
        ("ttl = 1", 1, "[trace] ttl"),
        ("[log]\nLEVEL = 'info'", 2, "[log] level"),
        ("[server]\nmax_frame_size = 1", 2, "[wire] max_frame_size"),
        ("[trace]\nmax-bytes = 1", 2, "[trace] max_bytes"),
        ("trace.tll = 1", None, "[trace] ttl"),
        ("log = {levl = 'info'}", None, "[log] level"),
    ],
)
def test_the_nearest_name_is_found(file: WriteFile, text: str, line: int | None, nearest: str) -> None:
    path = file(text)
    error = mistake(path)
    assert isinstance(error, UnknownSettingError)
    assert error.nearest == nearest
    assert error.where == (f"{path}:{line}" if line else str(path))


def test_a_name_that_is_like_none_gets_the_list_of_all(file: WriteFile) -> None:
    error = mistake(file("[log]\nzzzz = 1"))
    assert isinstance(error, UnknownSettingError)
    assert error.nearest == ""
    assert "known are [log] format, [log] level, " in str(error)


def test_an_unknown_variable_is_told_with_the_nearest() -> None:
    error = mistake(environ={"HAPROXY_TELEMETRY_TRACE_TLL": "5"})
    assert str(error) == (
        "environment: unknown setting HAPROXY_TELEMETRY_TRACE_TLL; did you mean HAPROXY_TELEMETRY_TRACE_TTL?"
    )


def test_an_unknown_variable_is_an_error_even_if_it_is_empty() -> None:
    assert isinstance(mistake(environ={"HAPROXY_TELEMETRY_LISTN": ""}), UnknownSettingError)


def test_the_variables_that_kubernetes_makes_for_a_service_are_no_settings() -> None:
    links = {
        "HAPROXY_TELEMETRY_SERVICE_HOST": "10.0.0.1",
        "HAPROXY_TELEMETRY_SERVICE_PORT": "7000",
        "HAPROXY_TELEMETRY_SERVICE_PORT_SPOP": "7000",
        "HAPROXY_TELEMETRY_PORT": "tcp://10.0.0.1:7000",
        "HAPROXY_TELEMETRY_PORT_7000_TCP": "tcp://10.0.0.1:7000",
        "HAPROXY_TELEMETRY_PORT_7000_TCP_PROTO": "tcp",
        "HAPROXY_TELEMETRY_PORT_7000_TCP_PORT": "7000",
        "HAPROXY_TELEMETRY_PORT_7000_TCP_ADDR": "10.0.0.1",
        "HAPROXY_TELEMETRY_METRICS_SERVICE_HOST": "10.0.0.2",
        "HAPROXY_TELEMETRY_METRICS_PORT": "udp://10.0.0.2:9",
    }
    assert load_settings(None, links, {}) == Settings()
    assert isinstance(mistake(environ={"HAPROXY_TELEMETRY_LISTEN_PORT": "7000"}), UnknownSettingError)


# What is of the wrong type, or out of bounds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[trace]\nttl = 'long'", "[trace] ttl is 'long': expected a number of seconds from 0.1 to 86400"),
        ("[trace]\nttl = -1", "[trace] ttl is -1: expected a number of seconds from 0.1 to 86400"),
        ("[trace]\nttl = nan", "[trace] ttl is nan: expected"),
        ("[trace]\nttl = inf", "[trace] ttl is inf: expected"),
        ("[trace]\nttl = true", "[trace] ttl is true: expected"),
        ("[trace]\nttl = 2024-01-01", "[trace] ttl is '2024-01-01': expected"),
        ("[trace]\nmax_spans = 1.0", "[trace] max_spans is 1.0: expected a whole number of spans from 1 to 100000"),
        ("[trace]\nmax_spans = 0", "[trace] max_spans is 0: expected a whole number of spans from 1 to 100000"),
        ("[trace]\nmax_spans = 100001", "[trace] max_spans is 100001: expected"),
        ("[trace]\nmax_spans = '1'", "[trace] max_spans is '1': expected"),
        ("[trace]\nmax_spans = true", "[trace] max_spans is true: expected"),
        ("[trace]\nupstream_span = ''", "[trace] upstream_span is '': expected a text of 1 to 255 characters"),
        ("[dsl]\nstrict = 1", "[dsl] strict is 1: expected true or false"),
        ("[log]\nlevel = 'INFO'", "[log] level is 'INFO': expected one of debug, info, warning, error"),
        ("[log]\nlevel = {a = 1}", "[log] level is {a = 1}: expected one of"),
        (
            "[variables]\nscopes = []",
            "[variables] scopes is []: expected at least one of these: proc, sess, txn, req, res",
        ),
        ("[variables]\nscopes = 'txn'", "[variables] scopes is 'txn': expected at least one of these:"),
        ("[variables]\nscopes = ['txn', 'x']", "[variables] scopes is ['txn', 'x']: expected at least one"),
        ("[variables]\nscopes = ['txn', 'txn']", "[variables] scopes is ['txn', 'txn']: txn stands there twice"),
        ("listen = []", "listen is []: expected at least one of these: HOST:PORT, [IPV6]:PORT or unix:/"),
        ("listen = '127.0.0.1:7000'", "listen is '127.0.0.1:7000': expected at least one of these: HOST"),
        ("listen = ['7000']", "listen is '7000': there is no port; an address is HOST:PORT"),
        ("listen = [7000]", "listen is [7000]: expected"),
        ("[listen]\na = 1", "listen is {a = 1}: expected"),
        ("[listen]\n'a\u202e' = 2026-01-31", "listen is {'a\\u202e' = '2026-01-31'}: expected"),
        ("listen = [[[[[[1]]]]]]", "listen is [[[[[...]]]]]: expected"),
        ("trace = 1", "trace is 1: expected a table, [trace]"),
        ("[[trace]]\nttl = 1", "trace is [{ttl = 1}]: expected a table, [trace]"),
        ("[export]\nfile = ''", "[export] file is '': expected the path of a file"),
    ],
)
def test_a_wrong_value_is_told_with_its_key_and_what_would_be_right(file: WriteFile, text: str, said: str) -> None:
    path = file(text)
    error = mistake(path)
    assert isinstance(error, BadValueError)
    assert said in str(error)
    assert str(error).startswith(str(path))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRACE_TTL", "5s"),
        ("TRACE_TTL", "nan"),
        ("TRACE_MAX_SPANS", "1.5"),
        ("TRACE_MAX_SPANS", "0"),
        ("DSL_STRICT", "maybe"),
        ("LOG_FORMAT", "xml"),
        ("LISTEN", "127.0.0.1:7000,"),
        ("VARIABLES_SCOPES", "txn;req"),
        ("TRACE_UPSTREAM_SPAN", "bytes \udcff"),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(name: str, value: str) -> None:
    error = mistake(environ={f"HAPROXY_TELEMETRY_{name}": value})
    assert isinstance(error, BadValueError)
    assert str(error).startswith(f"environment: HAPROXY_TELEMETRY_{name} is ")


def test_a_wrong_flag_is_told_by_its_name() -> None:
    error = mistake(flags={"log.level": "loud"})
    assert str(error) == "command line: --log-level is 'loud': expected one of debug, info, warning, error"


def test_a_wrong_value_is_an_error_even_if_another_source_wins(file: WriteFile) -> None:
    error = mistake(environ={"HAPROXY_TELEMETRY_CONFIG": str(file("nonsense = 1"))}, flags={"listen": ("a:1",)})
    assert isinstance(error, UnknownSettingError)


def test_an_address_that_stands_there_twice_is_refused_in_any_spelling() -> None:
    error = mistake(flags={"listen": ("[::1]:7000", "[0::1]:7000")})
    assert "[::1]:7000 stands there twice" in str(error)
    assert "unix:/a stands there twice" in str(mistake(flags={"listen": ("unix:/a", "unix:/a")}))


def test_port_0_may_be_asked_for_twice() -> None:
    assert len(load_settings(None, {}, {"listen": ("127.0.0.1:0", "127.0.0.1:0")}).listen) == 2


def test_a_flag_that_is_given_twice_is_told_as_a_list_of_toml() -> None:
    error = mistake(flags={"listen": ("127.0.0.1:7000", "127.0.0.1:7000")})
    assert str(error) == (
        "command line: --listen is ['127.0.0.1:7000', '127.0.0.1:7000']: 127.0.0.1:7000 stands there twice"
    )


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_bytes(b"\xef\xbb\xbf[trace]\r\nttl = 1\r\n")
    loaded = load(path, {}, {})
    assert (loaded.settings.trace.ttl, loaded.origins["trace.ttl"]) == (1.0, f"{path}:2")


def test_a_long_value_is_cut_and_a_control_character_is_shown_as_such(file: WriteFile) -> None:
    error = mistake(environ={"HAPROXY_TELEMETRY_LOG_LEVEL": "\x1b[2J" + "x" * 10_000})
    assert str(error).isprintable()
    assert len(str(error)) < 300


def test_every_number_has_both_bounds_and_every_setting_a_reason() -> None:
    for setting in SETTINGS:
        assert setting.about.what
        assert setting.about.why.endswith(".")
        if setting.kind in (int, float):
            assert setting.meta.ge is not None
            assert setting.meta.le is not None
            assert setting.about.unit or setting.key == "ratio"


# What is right alone and wrong together


def test_export_to_a_file_needs_a_path() -> None:
    error = mistake(flags={"export.to": "file"})
    assert isinstance(error, ConflictError)
    assert str(error) == "command line: --export is 'file', but [export] file is not given: a path is needed"


def test_a_path_on_the_command_line_that_would_not_be_used_is_refused() -> None:
    assert "the path is used with --export file" in str(mistake(flags={"export.file": "/a"}))


def test_a_path_in_the_file_may_wait_for_its_use(file: WriteFile) -> None:
    path = file("[export]\nfile = '/a'\nto = 'file'\n")
    assert load_settings(path, {}, {"export.to": "console"}).export.to == "console"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[trace]\nmax_bytes = 1048576\nmax_trace_bytes = 1048577", 3, "one trace must fit into all"),
        ("[wire]\nmax_frame_size = 2000000", 2, "one frame must fit"),
    ],
)
def test_bounds_that_contradict_each_other_are_refused(file: WriteFile, text: str, line: int, said: str) -> None:
    path = file(text)
    error = mistake(path)
    assert isinstance(error, ConflictError)
    assert str(error).startswith(f"{path}:{line}: ")
    assert said in str(error)


# What is no file


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"listen = [", "not TOML: "),
        (b"a = 1\na = 2", "not TOML: "),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"a = " + b"[" * 100_000, "not TOML: "),
    ],
)
def test_a_file_that_is_no_toml_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "agent.toml"
    path.write_bytes(content)
    assert str(mistake(path)).startswith(f"{path}: {said}")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert str(mistake(tmp_path / "none.toml")) == f"{tmp_path}/none.toml: No such file or directory"
    assert str(mistake(tmp_path)) == f"{tmp_path}: Is a directory"


# Tables below tables, and rows of them


def test_tables_below_tables_and_rows_are_read(file: WriteFile) -> None:
    settings = load_settings(
        file(
            """
            [sampling]
            ratio = 0.25
            drop = ["/a"]
            [sampling.tail]
            errors = true
            slow_ms = 2000
            [[sampling.rules]]
            path = "/one"
            network = ["10.0.0.0/8", "::1"]
            action = "drop"
            [[sampling.rules]]
            tag = "tenant=acme"
            slow_ms = 5
            """
        ),
        {"HAPROXY_TELEMETRY_SAMPLING_TAIL_SLOW_MS": "3000"},
        {},
    )
    sampling = settings.sampling
    assert (sampling.ratio, sampling.drop, sampling.tail.errors, sampling.tail.slow_ms) == (0.25, ("/a",), True, 3000)
    one, two = sampling.rules
    assert (one.path, one.action, [str(net) for net in one.network]) == (("/one",), "drop", ["10.0.0.0/8", "::1/128"])
    assert (two.tag, two.action, two.slow_ms) == (("tenant=acme",), "sample", 5)


def test_rows_are_printed_as_a_file_that_gives_them_again(file: WriteFile, tmp_path: Path) -> None:
    text = """
    [sampling.tail]
    aborts = true
    [[sampling.rules]]
    path = ["/one", "/t\\u00e9*"]
    action = "ratio"
    ratio = 0.5
    [[sampling.rules]]
    frontend = ["web"]
    network = ["10.0.0.0/8"]
    action = "rate"
    per_second = 2.5
    """
    loaded = load(file(text), {}, {})
    again = tmp_path / "again.toml"
    again.write_text(as_toml(loaded))
    assert load_settings(again, {}, {}) == loaded.settings


RULE = "[[sampling.rules]]\npath = '/a'\naction = 'drop'\n"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (f"{RULE}[[sampling.rules]]\naction = 'drop'\npaht = '/'", 6,
         "unknown setting [[sampling.rules]] paht; did you mean [[sampling.rules]] path?"),
        (f"{RULE}[[sampling.rules]]\naction = 'dorp'", 5,
         "[[sampling.rules]] action is 'dorp': expected one of sample, keep, drop, ratio, rate"),
        (f"{RULE}[[sampling.rules]]\naction = 'drop'\nnetwork = '10.0.0.1/8'", 6,
         "[[sampling.rules]] network is '10.0.0.1/8': expected an address or a network: 10.0.0.1/8 has host bits set"),
        ("[[sampling.rules]]\naction = 'drop'\npath = 'health'", 3,
         "[[sampling.rules]] path is 'health': expected a path, which begins with /, or a pattern of one"),
        ("[[sampling.rules]]\naction = 'drop'\ntag = '=x'", 3,
         "[[sampling.rules]] tag is '=x': expected name or name=value"),
        ("[[sampling.rules]]\naction = 'ratio'", 1,
         "[[sampling.rules]] ratio is not given: it is needed for action = \"ratio\""),
        ("[[sampling.rules]]\naction = 'drop'\nper_second = 5", 3,
         "[[sampling.rules]] per_second is 5.0: it goes with action = \"rate\""),
        ("[[sampling.rules]]\naction = 'keep'\nslow_ms = 5", 3,
         "[[sampling.rules]] slow_ms is 5: action = \"keep\" is final, however long it takes"),
        (f"{RULE}[[sampling.rules]]\npath = '/'", 4,
         "[[sampling.rules]] action is 'sample': the rule would change nothing"),
        ("[sampling]\nrules = 5", 2, "sampling.rules is 5: expected tables, each below a line [[sampling.rules]]"),
        ("\n[[sampling.rule]]\npath = '/'", 2, "unknown setting [[sampling.rule]]; did you mean [[sampling.rules]]?"),
        ("[sampling.tail]\nerorrs = true", 2,
         "unknown setting [sampling.tail] erorrs; did you mean [sampling.tail] errors?"),
        ("[sampling.tial]\nerrors = true", 1, "unknown setting [sampling.tial]; did you mean [sampling.tail]?"),
        ("[sampling]\nratio = 1.5", 2, "[sampling] ratio is 1.5: expected a number from 0 to 1"),
        ("[sampling]\nsampler = 'jaeger_remote'", 2, "[sampling] sampler is 'jaeger_remote': expected one of always"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_row_is_named_with_its_line(file: WriteFile, text: str, line: int | None, said: str) -> None:
    path = file(text)
    where = f"{path}:{line}" if line else str(path)
    assert str(mistake(path)).startswith(f"{where}: {said}")


def test_a_ratio_for_a_sampler_that_has_none_is_a_conflict(file: WriteFile) -> None:
    error = mistake(file("[sampling]\nsampler = 'always_on'\nratio = 0.5"))
    assert isinstance(error, ConflictError)
    assert "only traceidratio has a ratio" in str(error)
