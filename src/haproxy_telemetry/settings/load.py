"""From a file, the environment and flags to one ``Settings``: strict, and with the place of each mistake.

Flags win over the environment, the environment over the file, the file over the defaults; lists are replaced,
not joined. Nothing unknown is passed over, because a misspelt bound is a bound that is not there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from haproxy_telemetry.settings.address import ListenAddress, ListenError, TcpAddress, worker_addresses
from haproxy_telemetry.settings.catalog import (
    BY_NAME,
    BY_VARIABLE,
    CONFIG_VARIABLE,
    ENVIRONMENT_PREFIX,
    ROWS,
    SECTIONS,
    SETTINGS,
    Section,
    Setting,
)
from haproxy_telemetry.settings.errors import (
    BadFileError,
    BadValueError,
    ConflictError,
    UnknownSettingError,
)
from haproxy_telemetry.settings.model import Settings
from haproxy_telemetry.settings.opentelemetry import not_obeyed

DEFAULT = "default"
ENVIRONMENT = "environment"
COMMAND_LINE = "command line"

MAX_ROWS: Final = 256
"""Of one kind: each may be looked at for each stream."""

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


def load(
    config: Path | None, environ: Mapping[str, str], flags: Mapping[str, object], under: Iterable[Given] = ()
) -> Loaded:
    """Do what :func:`load_settings` does, and keep where each value came from.

    ``under`` is a layer below all others: what OpenTelemetry's declarative configuration gives.
    """
    if config is None and environ.get(CONFIG_VARIABLE):
        config = Path(environ[CONFIG_VARIABLE])
    not_obeyed(environ)
    file = _open(config)
    given: dict[str, Given] = {}
    for layer in (under, _from_file(file), _from_environment(environ), _from_flags(flags)):
        given.update((one.setting.name, one) for one in layer)
    values = {name: _value(one) for name, one in given.items()}
    values |= _rows(file)
    settings = _assemble(values)
    origins = {s.name: given[s.name].origin if s.name in given else DEFAULT for s in SETTINGS}
    _check_together(settings, given)
    return Loaded(settings, origins)


# -- the three layers


class _File(msgspec.Struct, frozen=True):
    """A file that has been read: its text, for the places of mistakes, and what it says."""

    path: Path
    text: str
    document: dict[str, object]


def _open(path: Path | None) -> _File | None:
    if path is None:
        return None
    text = _read(path)
    return _File(path, text, _parse(path, text))


def _from_file(file: _File | None) -> Iterator[Given]:
    if file is None:
        return
    for name, value in _flatten(file, "", file.document):
        where = _place(file, *name.rpartition(".")[::2])
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


def _flatten(file: _File, section: str, table: dict[str, object]) -> Iterator[tuple[str, object]]:
    """Yield ``(section.key, value)``; every name that comes out is a known one. Rows are left to :func:`_rows`."""
    for key, value in table.items():
        name = f"{section}.{key}" if section else key
        if name in BY_NAME:
            yield name, value
        elif name in _BY_SECTION:
            if not isinstance(value, dict):
                raise BadValueError(_place(file, section, key), name, value, f"expected a table, [{name}]")
            yield from _flatten(file, name, value)
        elif name not in _BY_ROWS:
            raise UnknownSettingError(_place(file, section, key), _written(section, key, value), _known_in(section))


def _written(section: str, key: str, value: object) -> str:
    """Return an unknown name as it stands in the file."""
    if not section:
        return key
    if isinstance(value, dict):
        return f"[{section}.{key}]"
    rows = isinstance(value, list) and value and all(isinstance(item, dict) for item in value)
    return f"[[{section}.{key}]]" if rows else f"[{section}] {key}"


_BY_SECTION = {section.name: section for section in SECTIONS if section.name}
_BY_ROWS = {rows.name: rows for rows in ROWS}


def _known_in(section: str) -> list[str]:
    """Return the names a mistaken one is compared with: those of its section first, then all others."""
    tables = [one.header for one in (*SECTIONS, *ROWS) if one.name and one.name.rpartition(".")[0] == section]
    here = [setting.label for setting in SETTINGS if setting.section == section]
    return here + tables + [setting.label for setting in SETTINGS if setting.section != section]


def _place(file: _File, section: str, key: str, row: int = -1) -> str:
    """Return ``file:line`` of a key, or the file alone if the key is not written in the plain form.

    ``row`` is the number of the ``[[section]]`` that it stands in; without a key, the line of the row itself.
    """
    table, rows = "", -1
    for number, line in enumerate(file.text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*(\[?)\s*([\w.-]+)\s*\]", line):
            table = header[2]
            rows += bool(header[1]) and table == section
            if (table == f"{section}.{key}".lstrip(".")) or (not key and table == section and rows == row):
                return f"{file.path}:{number}"
        elif table == section and rows == row and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
            return f"{file.path}:{number}"
    return str(file.path)


# -- rows: tables of which there are many, in the file alone


def _rows(file: _File | None) -> Iterator[tuple[str, tuple[msgspec.Struct, ...]]]:
    """Yield the name of each kind of row that the file has, and its rows."""
    if file is None:
        return
    for section in ROWS:
        parent, _, key = section.name.rpartition(".")
        table = _table(file.document, parent)
        if key in table:
            yield section.name, tuple(_all_rows(file, section, table[key]))


def _table(document: dict[str, object], name: str) -> dict[str, object]:
    table: object = document
    for part in name.split("."):
        table = table.get(part) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else {}


def _all_rows(file: _File, section: Section, rows: object) -> Iterator[msgspec.Struct]:
    expected = f"expected tables, each below a line {section.header}"
    if not isinstance(rows, list):
        raise BadValueError(_place(file, *section.name.rpartition(".")[::2]), section.name, rows, expected)
    if len(rows) > MAX_ROWS:
        raise BadValueError(str(file.path), section.name, len(rows), f"expected {MAX_ROWS} at most")
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise BadValueError(_place(file, section.name, "", number), section.name, row, expected)
        yield _row(file, section, number, row)


def _row(file: _File, section: Section, number: int, row: dict[str, object]) -> msgspec.Struct:
    settings = {setting.key: setting for setting in section.settings}
    values: dict[str, object] = {}
    for key, value in row.items():
        where, written = _place(file, section.name, key, number), f"{section.header} {key}"
        if key not in settings:
            raise UnknownSettingError(where, written, [f"{section.header} {one}" for one in settings])
        listed = [value] if settings[key].many and isinstance(value, str) else value
        values[key] = _value(Given(settings[key], listed, where, written, typed=True))
    made: msgspec.Struct = section.type(**values)
    if problem := getattr(made, "problem", None):
        key, expected = problem
        where = _place(file, section.name, key if key in row else "", number)
        raise BadValueError(where, f"{section.header} {key}", getattr(made, key), expected)
    return made


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
    settings = Settings()
    for section in reversed(SECTIONS):  # those below first
        own = {s.key: values[s.name] for s in section.settings if s.name in values}
        own |= {r.name.rpartition(".")[2]: values[r.name] for r in ROWS if _is_of(section, r) and r.name in values}
        if own:
            settings = _replaced(settings, section.name, own)
    return settings


def _is_of(section: Section, rows: Section) -> bool:
    return rows.name.rpartition(".")[0] == section.name


def _replaced(settings: Settings, name: str, values: Mapping[str, object]) -> Settings:
    """Return the settings with these values in the section called ``name``."""
    made: object = msgspec.structs.replace(lookup(settings, name), **values)
    while name:
        name, _, key = name.rpartition(".")
        made = msgspec.structs.replace(lookup(settings, name), **{key: made})
    assert isinstance(made, Settings)
    return made


# -- settings that are right alone and wrong together


def _check_together(settings: Settings, given: Mapping[str, Given]) -> None:
    trace, wire, export, sampling = settings.trace, settings.wire, settings.export, settings.sampling
    if sampling.ratio is not None and sampling.sampler and not sampling.sampler.endswith("traceidratio"):
        raise _conflict(given, settings, "sampling.ratio", "sampling.sampler", "only traceidratio has a ratio")
    if trace.max_trace_bytes > trace.max_bytes:
        raise _conflict(given, settings, "trace.max_trace_bytes", "trace.max_bytes", "one trace must fit into all")
    if wire.max_fragments_bytes < wire.max_frame_size:
        raise _conflict(given, settings, "wire.max_fragments_bytes", "wire.max_frame_size", "one frame must fit")
    privacy = settings.privacy
    if privacy.hash_key_file is not None and privacy.client_address != "hash":
        raise _conflict(given, settings, "privacy.hash_key_file", "privacy.client_address", "the key is for hash")
    if settings.recorder.file is not None and settings.server.workers > 1:
        expected = "a recording is of one process: record with server.workers = 1"
        raise _conflict(given, settings, "recorder.file", "server.workers", expected)
    if problem := _overlap(settings):
        raise _conflict(given, settings, "listen", "server.workers", problem)
    if _for_spop(settings, settings.admin.listen):
        raise _conflict(given, settings, "admin.listen", "listen", "the pages are never on SPOP's port; take another")
    if export.to == "file" and export.file is None:
        raise _conflict(given, settings, "export.to", "export.file", "a path is needed")
    file = given.get("export.file")
    if export.to != "file" and file is not None and file.where == COMMAND_LINE:
        raise _conflict(given, settings, "export.file", "export.to", "the path is used with --export file")


def _for_spop(settings: Settings, address: object) -> bool:
    """Say whether HAProxy is served at this address, by the agent or one of its workers."""
    taken = (one for listen in settings.listen for one in worker_addresses(listen, settings.server.workers))
    return isinstance(address, TcpAddress) and address.port != 0 and address in taken


def _overlap(settings: Settings) -> str:
    """Return why the workers cannot have addresses of their own, ``""`` if they can."""
    taken: set[ListenAddress] = set()
    for address in settings.listen:
        try:
            own = worker_addresses(address, settings.server.workers)
        except ListenError as error:
            return error.reason
        for one in own:
            if one in taken and getattr(one, "port", None) != 0:
                return f"{one} would be that of two workers; leave room for {settings.server.workers} between addresses"
        taken.update(own)
    return ""


def _conflict(given: Mapping[str, Given], settings: Settings, name: str, other: str, expected: str) -> ConflictError:
    one = given.get(name) or given.get(other)
    where = one.where if one else DEFAULT
    written = given[name].written if name in given else BY_NAME[name].label
    value = lookup(settings, other)
    shown = ", ".join(map(str, value)) if isinstance(value, tuple) else "not given" if value is None else value
    against = f"{BY_NAME[other].label} is {shown}"
    return ConflictError(where, written, lookup(settings, name), against, expected)


def lookup(settings: Settings, name: str) -> Any:
    """Return the value of the setting called ``name`` (``trace.ttl``)."""
    value: Any = settings
    for part in name.split(".") if name else ():
        value = getattr(value, part)
    return value
