"""OpenTelemetry's environment variables, one at a time: which one decides, what is unset, what can't be obeyed.

An empty variable is an unset one, ``OTEL_EXPORTER_OTLP_TRACES_x`` (``METRICS``, ``LOGS``) wins over
``OTEL_EXPORTER_OTLP_x`` (OpenTelemetry specification, "Environment Variable Specification" and "OTLP Exporter
Configuration").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias
from urllib.parse import unquote

from haproxy_telemetry.otlp.signals import Signal

MOST: Final = 24 * 3600 * 1000  # most are milliseconds: a day

Environ: TypeAlias = Mapping[str, str]


class ExportConfigError(ValueError):
    """A setting of the way out that can't be obeyed: the variable, its value, what is wrong, and the fix."""

    def __init__(self, variable: str, value: str, problem: str, fix: str) -> None:
        self.variable = variable
        self.value = value
        self.problem = problem
        self.fix = fix
        super().__init__(f"{variable}={value!r}: {problem}; {fix}")


def read_names(environ: Environ, variable: str, known: tuple[str, ...], default: str) -> frozenset[str]:
    """Return the comma-separated names that a variable holds; ``none`` stands alone and means nothing at all."""
    value = environ.get(variable, "").strip() or default
    names = frozenset(name.strip() for name in value.split(","))
    for name in names:
        if name not in (*known, "none"):
            raise ExportConfigError(variable, value, f"unknown name {name!r}", f"use {', '.join((*known, 'none'))}")
    if "none" in names and len(names) > 1:
        raise ExportConfigError(variable, value, "none and something else", "leave one of them out")
    return names - {"none"}


def one_of(variable: str, value: str, known: tuple[str, ...]) -> str:
    """Return ``value``, the first of ``known`` if it is empty; raise :class:`ExportConfigError` for any other."""
    if value and value not in known:
        raise ExportConfigError(variable, value, "unknown value", f"use {' or '.join(known)}")
    return value or known[0]


def parse_pairs(variable: str, text: str, *, secret: bool = False) -> dict[str, str]:
    """Parse ``key=value,key=value`` with percent-encoding (W3C Baggage); the last of equal keys wins.

    ``secret``: an error names the variable, but shows nothing of its value.
    """
    pairs: dict[str, str] = {}
    for number, item in enumerate(text.split(","), start=1):
        key, equals, value = item.partition("=")
        if not equals and not key.strip():
            continue  # nothing at all, or a trailing comma
        try:
            key, value = unquote(key.strip(), errors="strict"), unquote(value.strip(), errors="strict")
        except UnicodeDecodeError as error:
            problem = f"item {number} is not percent-encoded UTF-8"
            raise ExportConfigError(variable, "***" if secret else text, problem, "encode it as UTF-8") from error
        if not equals or not key:
            fix = "write key1=value1,key2=value2"
            raise ExportConfigError(variable, "***" if secret else text, f"item {number} is no key=value", fix)
        pairs[key] = value
    return pairs


def plain(environ: Environ, name: str) -> tuple[str, str]:
    """Return a variable and its value."""
    return name, environ.get(name, "").strip()


def of_signal(environ: Environ, signal: Signal, suffix: str) -> tuple[str, str]:
    """Return the variable that decides about a setting, and its value: the one for the signal if it is set."""
    name, value = plain(environ, f"OTEL_EXPORTER_OTLP_{signal.name}_{suffix}")
    return (name, value) if value else plain(environ, f"OTEL_EXPORTER_OTLP_{suffix}")


def number(variable: str, value: str, *, default: int, least: int) -> int:
    """Return the whole number that a variable holds, ``default`` if it is unset."""
    if not value:
        return default
    if not (value.isascii() and value.isdigit()) or not least <= int(value[:19]) <= MOST:
        raise ExportConfigError(variable, value, "not a number in range", f"give a whole number, {least} to {MOST}")
    return int(value)
