"""The log: one safe line a record, whatever the values are."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from haproxy_telemetry.logs import (
    MAX_KINDS,
    MAX_VALUE,
    JsonFormatter,
    OnceLogger,
    TextFormatter,
    configure_logging,
    fields,
)
from retained import retained

MOMENT = 1_793_534_400.0625  # 2026-11-01T12:00:00.062Z


def record(
    msg: str = "listening", exc_info: Any = None, name: str = "haproxy_telemetry.server", **values: Any
) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.INFO, "file.py", 1, msg, (), exc_info)
    made.created = MOMENT
    made.__dict__.update(fields(**values))
    return made


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    kept, level, own = logger.handlers[:], logger.level, logging.getLogger("haproxy_telemetry").level
    yield logger
    logger.handlers[:] = kept
    logger.setLevel(level)
    logging.getLogger("haproxy_telemetry").setLevel(own)


def text(**values: Any) -> str:
    return TextFormatter().format(record(**values)).removeprefix("2026-11-01T12:00:00.062Z level=info msg=listening ")


def as_json(**values: Any) -> Any:
    return json.loads(JsonFormatter().format(record(**values)))


def test_a_text_line_has_time_level_message_and_fields() -> None:
    line = TextFormatter().format(record(msg="now listening", spop="127.0.0.1:7000", n=3))
    assert line == '2026-11-01T12:00:00.062Z level=info msg="now listening" spop=127.0.0.1:7000 n=3'


def test_a_json_line_has_the_same() -> None:
    line = JsonFormatter().format(record(spop="127.0.0.1:7000", n=3, ratio=0.5, on=True))
    assert json.loads(line) == {
        "time": "2026-11-01T12:00:00.062Z",
        "level": "info",
        "msg": "listening",
        "spop": "127.0.0.1:7000",
        "n": 3,
        "ratio": 0.5,
        "on": True,
    }


def test_what_is_not_there_has_no_place_in_the_line() -> None:
    assert text(spop="127.0.0.1:7000", records=None, n=0) == "spop=127.0.0.1:7000 n=0"
    assert "records" not in as_json(records=None)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "x"', r'"say \"x\""'),
        ("back\\slash", r'"back\\slash"'),
        ("a\nlevel=error", r'"a\nlevel=error"'),
        ("\x1b[2J\x00\x7f\x9b", r'"\x1b[2J\x00\x7f\x9b"'),
        ("\u202e\u2028", r'"\u202e\u2028"'),
        ("é", "é"),
        (b"raw", "raw"),
        (b"\xff\n", r'"\\xff\n"'),
        (0, "0"),
        (True, "true"),
        (float("nan"), "nan"),
        (OSError("gone away"), '"gone away"'),
    ],
)
def test_a_value_cannot_end_a_line_or_forge_a_field(value: object, written: str) -> None:
    assert text(value=value) == f"value={written}"


def test_a_json_line_is_json_for_any_value() -> None:
    value: dict[str, Any] = {"a": "\ud800\n\x1b", "b": float("inf"), "c": b"\xff", "d": object(), "e": 1 << 70}
    line = JsonFormatter().format(record(**value))
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["b"] == "inf"
    assert json.loads(line)["c"] == "\\xff"


def test_a_field_cannot_replace_the_time_the_level_or_the_message() -> None:
    entry = record(time="never", level="none")
    entry.__dict__["fields"]["msg"] = "other"
    made = json.loads(JsonFormatter().format(entry))
    assert (made["msg"], made["level"], made["time_"], made["msg_"]) == ("listening", "info", "never", "other")


@pytest.mark.parametrize("value", ["x" * 5000, b"x" * 5000])
def test_a_long_value_is_cut_and_says_so(value: object) -> None:
    cut = "x" * MAX_VALUE + f"...({5000 - MAX_VALUE} more)"
    assert as_json(value=value)["value"] == cut
    assert text(value=value) == f'value="{cut}"'


def test_a_traceback_is_indented_so_that_no_line_of_it_looks_like_a_record() -> None:
    try:
        raise ValueError("bad\n2026-11-01T12:00:00.000Z level=error msg=forged\x1b[2J")
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)
    lines = TextFormatter().format(record(exc_info=info)).split("\n")
    assert len(lines) > 3
    assert all(line.startswith("  | ") for line in lines[1:])
    assert "\x1b" not in "".join(lines)
    assert json.loads(JsonFormatter().format(record(exc_info=info)))["traceback"].startswith("Traceback")


def test_the_level_is_that_of_the_agent_and_libraries_are_heard_from_warning_on(root: logging.Logger) -> None:
    stream = io.StringIO()
    configure_logging("text", "info", stream)
    logging.getLogger("haproxy_telemetry.server").info("one")
    logging.getLogger("haproxy_telemetry.server").debug("two")
    logging.getLogger("urllib3").info("three")
    logging.getLogger("urllib3").warning("four %s", "times")
    lines = [line.partition(" ")[2] for line in stream.getvalue().splitlines()]
    assert lines == ["level=info msg=one", 'level=warning logger=urllib3 msg="four times"']


def test_configuring_again_replaces_the_form(root: logging.Logger) -> None:
    stream = io.StringIO()
    configure_logging("text", "info", stream)
    configure_logging("json", "info", stream)
    logging.getLogger("haproxy_telemetry").info("one")
    assert [json.loads(line)["msg"] for line in stream.getvalue().splitlines()] == ["one"]


def test_a_warning_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    once = OnceLogger(logging.getLogger("haproxy_telemetry.test"))
    said = [once.warn_once(("no id", b"msg"), "a message has no id", message=b"msg", n=n) for n in range(3)]
    assert said == [True, False, False]
    assert [(r.levelname, r.getMessage(), r.__dict__["fields"]["n"]) for r in caplog.records] == [
        ("WARNING", "a message has no id", 0)
    ]


def test_a_message_with_a_percent_sign_is_not_a_format(caplog: pytest.LogCaptureFixture) -> None:
    OnceLogger(logging.getLogger("haproxy_telemetry.test")).warn_once("a", "100 %s")
    assert caplog.messages == ["100 %s"]


def test_the_kinds_of_warnings_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    once = OnceLogger(logging.getLogger("haproxy_telemetry.test"), max_kinds=2)
    said = [once.warn_once(key, f"about {key}") for key in ["a", "b", "c", "d", "a", "c"]]
    assert said == [True, True, True, False, False, False]
    assert caplog.messages == ["about a", "about b", "more kinds of warnings than are kept apart"]


def test_what_is_kept_of_a_peers_text_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    once = OnceLogger(logging.getLogger("haproxy_telemetry.test"))
    caplog.set_level(logging.CRITICAL, "haproxy_telemetry.test")
    for number in range(MAX_KINDS):
        once.warn_once(("reason", b"%d" % number + b"x" * 100_000), "about a long name")
        once.warn_once(f"{number}" + "x" * 100_000, "about a long text")
    assert len(once._said) == MAX_KINDS + 1
    assert sum(retained(key) for key in once._said) < 100_000
