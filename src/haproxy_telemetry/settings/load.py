"""From a file, the environment and flags to one ``Settings``: strict, and with the place of each mistake.

Flags win over the environment, the environment over the file, the file over the defaults; lists are replaced,
not joined. Nothing unknown is passed over, because a misspelt bound is a bound that is not there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from haproxy_telemetry.settings.catalog import (
    BY_NAME,
    BY_VARIABLE,
    CONFIG_VARIABLE,
    ENVIRONMENT_PREFIX,
    SECTIONS,
    SETTINGS,
    Setting,
)
from haproxy_telemetry.settings.errors import (
    BadFileError,
    BadValueError,
    ConflictError,
    UnknownSettingError,
)
from haproxy_telemetry.settings.model import Settings

DEFAULT = "default"
ENVIRONMENT = "environment"
COMMAND_LINE = "command line"

# Kubernetes gives every pod the addresses of the services of its namespace, and for a service that is called
# "haproxy-telemetry" (or begins so) these variables carry our prefix. They are no settings.
_SERVICE_LINK = re.compile(r"SERVICE_(HOST|PORT(_\w+)?)$|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$")
_SERVICE_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://")


class Given(msgspec.Struct, frozen=True):
    """A value as it was written: where, under which name, and ``typed`` if it has a TOML type already."""

    setting: Setting
    value: object
    where: str
    written: str
    typed: bool

    @property
    def origin(self) -> str:
        """Where a person finds it: ``file:line``, or the variable or flag."""
        return self.where if self.typed else f"{self.where}, {self.written}"


class Loaded(msgspec.Struct, frozen=True):
    """The settings, and for each one by its name (``trace.ttl``) where it comes from."""

    settings: Settings
    origins: Mapping[str, str]


def load_settings(config: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """Return the settings, or raise :class:`SettingsError` for the first mistake. Reads ``config`` only.

    ``flags`` maps names (``trace.ttl``) to what the command line gave; None, an empty tuple and a switch
    that is off mean "not given". Without ``config`` the file is that of ``HAPROXY_TELEMETRY_CONFIG``, if any.
    """
    return load(config, environ, flags).settings


def load(config: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]) -> Loaded:
    """Do what :func:`load_settings` does, and keep where each value came from."""
    if config is None and environ.get(CONFIG_VARIABLE):
        config = Path(environ[CONFIG_VARIABLE])
    given: dict[str, Given] = {}
    for layer in (_from_file(config), _from_environment(environ), _from_flags(flags)):
        given.update((one.setting.name, one) for one in layer)
    values = {name: _value(one) for name, one in given.items()}
    settings = _assemble(values)
    origins = {s.name: given[s.name].origin if s.name in given else DEFAULT for s in SETTINGS}
    _check_together(settings, given)
    return Loaded(settings, origins)


# -- the three layers


def _from_file(path: Path | None) -> Iterator[Given]:
    if path is None:
        return
    text = _read(path)
    document = _parse(path, text)
    for name, value in _flatten(path, text, document):
        where = _place(path, text, *name.rpartition(".")[::2])
        yield Given(BY_NAME[name], value, where, BY_NAME[name].label, typed=True)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors begin a file with a BOM, which TOML allows not
    except OSError as error:
        raise BadFileError(str(path), error.strerror or type(error).__name__) from error
    except UnicodeDecodeError as error:
        raise BadFileError(str(path), f"not UTF-8 at byte {error.start}, as TOML must be") from error


def _parse(path: Path, text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadFileError(str(path), f"not TOML: {error}") from error
    except RecursionError as error:
        raise BadFileError(str(path), "not TOML: nested too deeply") from error


def _flatten(path: Path, text: str, document: dict[str, object]) -> Iterator[tuple[str, object]]:
    """Yield ``(section.key, value)``; every name that comes out is a known one."""
    sections = {section.name: section for section in SECTIONS}
    for key, value in document.items():
        if key in BY_NAME:
            yield key, value
        elif key not in sections:
            raise UnknownSettingError(_place(path, text, "", key), key, _known_in(""))
        elif not isinstance(value, dict):
            raise BadValueError(_place(path, text, "", key), key, value, f"expected a table, [{key}]")
        else:
            yield from _flatten_section(path, text, key, value)


def _flatten_section(path: Path, text: str, section: str, table: dict[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if f"{section}.{key}" not in BY_NAME:
            written = f"[{section}] {key}"
            raise UnknownSettingError(_place(path, text, section, key), written, _known_in(section))
        yield f"{section}.{key}", value


def _known_in(section: str) -> list[str]:
    """Return the names a mistaken one is compared with: those of its section first, then all others."""
    tables = [f"[{one.name}]" for one in SECTIONS if one.name] if not section else []
    here = [setting.label for setting in SETTINGS if setting.section == section]
    return here + tables + [setting.label for setting in SETTINGS if setting.section != section]


def _place(path: Path, text: str, section: str, key: str) -> str:
    """Return ``file:line`` of a key, or the file alone if the key is not written in the plain form."""
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([\w-]+)\s*\]", line):
            table = header[1]
            if not section and table == key:
                return f"{path}:{number}"
        elif table == section and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
            return f"{path}:{number}"
    return str(path)


def _from_environment(environ: Mapping[str, str]) -> Iterator[Given]:
    for name in sorted(environ):
        value = environ[name]
        if name == CONFIG_VARIABLE or not name.startswith(ENVIRONMENT_PREFIX) or _is_service_link(name, value):
            continue
        if name not in BY_VARIABLE:
            raise UnknownSettingError(ENVIRONMENT, name, [*BY_VARIABLE, CONFIG_VARIABLE])
        if value:  # empty means unset, as with the variables of OpenTelemetry
            setting = BY_VARIABLE[name]
            items = [item.strip() for item in value.split(",")] if setting.many else value
            yield Given(setting, items, ENVIRONMENT, name, typed=False)


def _is_service_link(name: str, value: str) -> bool:
    return bool(_SERVICE_LINK.search(name) or (name.endswith("_PORT") and _SERVICE_LINK_VALUE.match(value)))


def _from_flags(flags: Mapping[str, object]) -> Iterator[Given]:
    for name, value in flags.items():
        if value is None or value is False or value == ():
            continue
        setting = BY_NAME[name]
        yield Given(setting, value, COMMAND_LINE, setting.about.flag or name, typed=False)


# -- values


def _value(given: Given) -> object:
    """Return the value in its type and within its bounds."""
    setting = given.setting
    try:
        value = msgspec.convert(given.value, setting.type, strict=given.typed)
    except msgspec.ValidationError as error:
        raise _bad(given, given.value, f"expected {setting.expected}") from error
    if setting.about.parse is not None:
        value = _parsed(given, value)
    elif isinstance(value, str) and not _is_unicode(value):
        raise _bad(given, value, "expected text in UTF-8")
    if setting.many:
        _refuse_twice(given, value)
    return value


def _parsed(given: Given, value: str | tuple[str, ...]) -> object:
    if isinstance(value, str):
        return _parsed_one(given, value)
    return tuple(_parsed_one(given, item) for item in value)


def _parsed_one(given: Given, text: str) -> object:
    parse = given.setting.about.parse
    assert parse is not None
    try:
        return parse(text)
    except ValueError as error:
        raise _bad(given, text, str(error)) from error


def _is_unicode(text: str) -> bool:
    """False if the environment or command line held bytes that are no UTF-8 (PEP 383)."""
    return not any("\udc80" <= character <= "\udcff" for character in text)


def _refuse_twice(given: Given, items: tuple[object, ...]) -> None:
    seen = set()
    for item in items:
        # Port 0 stands for a different port each time.
        if item in seen and getattr(item, "port", None) != 0:
            raise _bad(given, given.value, f"{item} stands there twice")
        seen.add(item)


def _bad(given: Given, value: object, expected: str) -> BadValueError:
    return BadValueError(given.where, given.written, value, expected)


def _assemble(values: Mapping[str, object]) -> Settings:
    parts: dict[str, object] = {}
    for section in SECTIONS:
        own = {s.key: values[s.name] for s in section.settings if s.name in values}
        if section.name:
            parts[section.name] = section.type(**own)
        else:
            parts.update(own)
    return msgspec.structs.replace(Settings(), **parts)


# -- settings that are right alone and wrong together


def _check_together(settings: Settings, given: Mapping[str, Given]) -> None:
    trace, wire, export = settings.trace, settings.wire, settings.export
    if trace.max_trace_bytes > trace.max_bytes:
        raise _conflict(given, settings, "trace.max_trace_bytes", "trace.max_bytes", "one trace must fit into all")
    if wire.max_fragments_bytes < wire.max_frame_size:
        raise _conflict(given, settings, "wire.max_fragments_bytes", "wire.max_frame_size", "one frame must fit")
    privacy = settings.privacy
    if privacy.hash_key_file is not None and privacy.client_address != "hash":
        raise _conflict(given, settings, "privacy.hash_key_file", "privacy.client_address", "the key is for hash")
    if export.to == "file" and export.file is None:
        raise _conflict(given, settings, "export.to", "export.file", "a path is needed")
    file = given.get("export.file")
    if export.to != "file" and file is not None and file.where == COMMAND_LINE:
        raise _conflict(given, settings, "export.file", "export.to", "the path is used with --export file")


def _conflict(given: Mapping[str, Given], settings: Settings, name: str, other: str, expected: str) -> ConflictError:
    one = given.get(name) or given.get(other)
    where = one.where if one else DEFAULT
    written = given[name].written if name in given else BY_NAME[name].label
    value = lookup(settings, other)
    against = f"{BY_NAME[other].label} is {'not given' if value is None else value}"
    return ConflictError(where, written, lookup(settings, name), against, expected)


def lookup(settings: Settings, name: str) -> object:
    """Return the value of the setting called ``name`` (``trace.ttl``)."""
    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value
