"""Reading the file: the SDK's own package parses it, fills in ``${VAR}`` and judges it by the schema.

It is an extra, and is imported only where ``OTEL_CONFIG_FILE`` is set: it takes a third of a second.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple

from haproxy_telemetry.otelfile.look import look
from haproxy_telemetry.otelfile.table import OtelFileError
from haproxy_telemetry.otelfile.translate import translate
from haproxy_telemetry.settings.catalog import BY_NAME
from haproxy_telemetry.settings.errors import nearest
from haproxy_telemetry.settings.load import Given

VARIABLE: Final = "OTEL_CONFIG_FILE"
PREFIX: Final = "OTEL_"
MAX_MESSAGE: Final = 300  # characters of the validator's words, which show the value
FIX: Final = (
    "pip install 'haproxy-telemetry[otel-config]' (pipx: pipx install --force 'haproxy-telemetry[otel-config]',"
    " uv: uv tool install 'haproxy-telemetry[otel-config]')"
)


class Source(NamedTuple):
    """Where OpenTelemetry's settings come from: the environment as it is, or as ``file`` has it.

    ``settings`` are the agent's own that the file gives, ``places`` where each variable stands in it; ``said`` is to be
    told once.
    """

    environ: Mapping[str, str]
    file: str = ""
    settings: tuple[Given, ...] = ()
    places: Mapping[str, str] = {}
    said: tuple[str, ...] = ()

    def in_words(self, problem: str) -> str:
        """Return an error about a variable as one about the file, if it came from there."""
        for name in sorted(self.places, key=len, reverse=True):
            if name in problem:
                return f"{self.file}: {self.places[name]}: {problem}"
        return problem


def read_source(environ: Mapping[str, str]) -> Source:
    """Return the environment, or what ``OTEL_CONFIG_FILE`` makes of it: no other ``OTEL_*`` counts then.

    Raises :class:`OtelFileError`, which names the file and the place in it.
    """
    file = environ.get(VARIABLE, "").strip()
    if not file:
        return Source(environ)
    try:
        document, said = _document(file, environ)
        made = translate(document)
    except OtelFileError as error:
        raise OtelFileError(f"{file}: {error.where}" if error.where else file, error.problem) from error
    unheard = sorted(name for name in environ if name.startswith(PREFIX) and name != VARIABLE and environ[name].strip())
    said += made.said
    if unheard:
        said.append(f"with {VARIABLE} these variables count in its references only: {', '.join(unheard)}")
    others = {name: value for name, value in environ.items() if not name.startswith(PREFIX)}
    settings = tuple(
        Given(BY_NAME[name], one.value, file, one.where, typed=False) for name, one in made.settings.items()
    )
    return Source(others | made.environ, file, settings, made.places, tuple(f"{file}: {one}" for one in said))


def _document(file: str, environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return what stands in the file by its own names, and what is worth a warning."""
    try:
        from opentelemetry.configuration import ConfigurationError, load_config_file
    except ImportError as error:
        problem = f"reading it needs a package that is not here ({error.name or error}); {FIX}"
        raise OtelFileError("", problem) from error
    try:
        found = look(Path(file).read_text(encoding="utf-8"), environ)
        with _heard() as said:
            config = load_config_file(file)
        names = [_name(field.name) for field in fields(config)]
        for name in getattr(config, "additional_properties", {}):
            raise _unknown("", name, names)
        document = _plain(config)
    except ConfigurationError as error:
        raise _placed(error) from error
    except (OSError, UnicodeError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise OtelFileError("", f"can't be read ({why}); name a file of YAML or JSON in UTF-8") from error
    return document, [*said, *found]


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Take what the package logs: its errors, which it raises too, and its warnings, which the agent says itself."""
    said: list[str] = []
    logger = logging.getLogger("opentelemetry.configuration.file._loader")

    def hear(record: logging.LogRecord) -> bool:
        if record.levelno == logging.WARNING:
            said.append(record.getMessage())
        return False

    logger.addFilter(hear)
    try:
        yield said
    finally:
        logger.removeFilter(hear)


def _placed(error: Exception) -> OtelFileError:
    """Return an error of the package by its place in the file, where the schema's validator knows one."""
    wrong: Any = error.__cause__
    if not hasattr(wrong, "absolute_path"):
        return OtelFileError("", str(error))
    where = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in wrong.absolute_path).removeprefix(".")
    if wrong.validator == "additionalProperties":
        known = list(wrong.schema.get("properties", ()))
        name = next(str(one) for one in wrong.instance if one not in known)
        return _unknown(where, name, known)
    message = str(wrong.message)
    return OtelFileError(where, message if len(message) <= MAX_MESSAGE else message[:MAX_MESSAGE] + "…")


def _unknown(where: str, name: str, known: Sequence[str]) -> OtelFileError:
    close = nearest(name, known)
    hint = f"did you mean {close}?" if close else f"known are {', '.join(known)}" if known else "leave it out"
    return OtelFileError(f"{where}.{name}" if where else name, f"there is no such key; {hint}")


def _plain(value: Any) -> Any:
    """Return the SDK's typed model as the mappings and lists that it was made of, by the file's own names."""
    if is_dataclass(value):
        plain = {_name(field.name): _plain(getattr(value, field.name)) for field in fields(value)}
        more = getattr(value, "additional_properties", {})  # null there is a mapping without anything, as `b3:` is
        return plain | {name: {} if one is None else one for name, one in more.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.value if isinstance(value, Enum) else value


def _name(field: str) -> str:
    return field.removesuffix("_development") + "/development" if field.endswith("_development") else field
