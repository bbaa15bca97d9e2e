"""Settings as the TOML that would make them, each with where it comes from: what ``serve --check`` prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from haproxy_telemetry.settings.catalog import ROWS, SECTIONS, Section, Setting
from haproxy_telemetry.settings.load import Loaded, lookup


def as_toml(loaded: Loaded) -> str:
    """Return a file that gives these settings whatever the defaults are; origins stand in comments."""
    return "\n".join(_lines(loaded)).lstrip("\n") + "\n"


def _lines(loaded: Loaded) -> Iterator[str]:
    for section in SECTIONS:
        if section.name:
            yield f"\n{section.header}"
        for setting in section.settings:
            yield _line(setting, lookup(loaded.settings, setting.name), loaded.origins[setting.name])
    for rows in ROWS:
        for row in lookup(loaded.settings, rows.name):
            yield from _row(rows, row)


def _row(rows: Section, row: object) -> Iterator[str]:
    """One row, as far as it differs from an empty one."""
    yield f"\n{rows.header}"
    for setting in rows.settings:
        value = getattr(row, setting.key)
        if value != setting.default:
            yield f"{setting.key} = {toml_value(value)}"


def _line(setting: Setting, value: object, origin: str) -> str:
    if value is None:
        return f"# {setting.key} is not set"
    line = f"{setting.key} = {toml_value(value)}"
    comment = "".join(c if c.isprintable() else "?" for c in _printable(origin))
    return f"{line:<40} # {comment}"


def toml_value(value: object) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    # The escapes of a JSON string are those of a basic string of TOML, but TOML allows no raw DEL either.
    return json.dumps(_printable(str(value)), ensure_ascii=False).replace("\x7f", "\\u007F")


def in_words(value: object) -> str:
    """Return a value as it stands in a sentence."""
    if isinstance(value, tuple):
        return ", ".join(in_words(item) for item in value)
    return toml_value(value) if isinstance(value, bool | int | float | Path) else str(value)


def _printable(text: str) -> str:
    # A path may hold bytes that are no UTF-8; no TOML and no terminal can show them.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
