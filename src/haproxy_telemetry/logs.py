"""The agent's own log: one line for each record, as text (logfmt) or JSON, safe against what a peer writes.

Values are cut to ``MAX_VALUE`` characters, and everything that could end a line, move a cursor or forge a
field is escaped: HAProxy passes on what its clients send, and a log is read in terminals.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime
from typing import Protocol

NAME = "haproxy_telemetry"
MAX_VALUE = 512  # characters of one value
MAX_KINDS = 256  # different warnings of one OnceLogger
MAX_KEY = 64  # characters or bytes of a part of a warning's key

Field = str | bytes | int | float | bool | None


class Stream(Protocol):
    """Where log lines go: one call a record."""

    def write(self, text: str, /) -> object:
        """Take a record and its line feed."""


def configure_logging(
    form: str, level: str, stream: Stream | None = None, always: Mapping[str, object] | None = None
) -> None:
    """Send all logs of the process to ``stream`` (standard error): ``form`` is "text" or "json".

    ``level`` is that of the agent; libraries are heard from "warning" on. ``always`` are fields of every line.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    if always:
        handler.addFilter(_always(always))
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(NAME).setLevel(level.upper())


def _always(these: Mapping[str, object]) -> Callable[[logging.LogRecord], bool]:
    def add(record: logging.LogRecord) -> bool:
        record.fields = {**these, **getattr(record, "fields", {})}
        return True

    return add


def fields(**values: object) -> dict[str, dict[str, object]]:
    """Return the ``extra`` of a log call: ``log.info("listening", extra=fields(spop="127.0.0.1:7000"))``.

    What is ``None`` is not there, and has no place in the line.
    """
    return {"fields": {name: value for name, value in values.items() if value is not None}}


class TextFormatter(logging.Formatter):
    """``2026-11-01T12:00:00.000Z level=info msg=listening spop=127.0.0.1:7000``, a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and a traceback if there is one, with every line of it indented."""
        pairs = [f"{key}={_logfmt(value)}" for key, value in _entries(record)]
        lines = [_time(record), *pairs]
        trace = "".join(f"\n  | {escape(shorten(line))}" for line in _traceback(self, record))
        return " ".join(lines) + trace


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``msg``, the fields, ``traceback`` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object, in ASCII, so that nothing in it can be taken for a line's end."""
        out: dict[str, Field] = {"time": _time(record)}
        for key, value in _entries(record):
            out[key if key not in out else key + "_"] = _plain(value)
        trace = _traceback(self, record)
        if trace:
            out["traceback"] = "\n".join(shorten(line) for line in trace)
        return json.dumps(out)


class OnceLogger:
    """Says a warning the first time; from then on the caller's counter tells of it. Safe to use from any thread.

    The number of kinds is bounded, since a key may hold what a peer sent: past it, all others are one kind. So is
    what is kept of a key: two that begin with the same ``MAX_KEY`` characters are one kind.
    """

    OTHERS = "(others)"

    def __init__(self, logger: logging.Logger, max_kinds: int = MAX_KINDS) -> None:
        self._logger = logger
        self._max_kinds = max_kinds
        self._said: set[Hashable] = set()
        self._lock = threading.Lock()

    def warn_once(self, key: Hashable, msg: str, **values: object) -> bool:
        """Log ``msg`` if ``key`` is new. True if it was logged."""
        key = _cut(key)
        with self._lock:
            if key not in self._said and len(self._said) >= self._max_kinds:
                key, msg, values = self.OTHERS, "more kinds of warnings than are kept apart", {}
            if key in self._said:
                return False
            self._said.add(key)
        self._logger.warning("%s", msg, extra=fields(**values, said="once, counted from now on"))
        return True


def _cut(key: Hashable) -> Hashable:
    if isinstance(key, tuple):
        return tuple([_cut(part) for part in key])
    return key[:MAX_KEY] if isinstance(key, str | bytes) else key


def shorten(text: str, limit: int = MAX_VALUE) -> str:
    """Return ``text``, or its first ``limit`` characters and how many were left out."""
    return text if len(text) <= limit else f"{text[:limit]}...({len(text) - limit} more)"


def escape(text: str) -> str:
    """Return ``text`` with everything that is not printable written as in a Python string: one safe line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _entries(record: logging.LogRecord) -> list[tuple[str, object]]:
    entries: list[tuple[str, object]] = [("level", record.levelname.lower())]
    if record.name.partition(".")[0] != NAME:
        entries.append(("logger", record.name))
    entries.append(("msg", record.getMessage()))
    entries.extend(getattr(record, "fields", {}).items())
    return entries


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    return formatter.formatException(record.exc_info).splitlines() if record.exc_info else []


def _plain(value: object) -> Field:
    """Return a value that JSON has; a float that JSON has not, and any other object, becomes a string."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and value - value == 0:
        return value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    return shorten(str(value))


def _logfmt(value: object) -> str:
    plain = _plain(value)
    if not isinstance(plain, str):
        return json.dumps(plain)
    if plain and plain.isprintable() and not any(c in ' "=\\' for c in plain):
        return plain
    return '"' + escape(plain.replace("\\", "\\\\").replace('"', '\\"')) + '"'
