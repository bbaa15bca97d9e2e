"""The settings as a list, read off the classes of ``model``, for the loader, the flags and the page."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from haproxy_telemetry.settings.model import About, Settings

ENVIRONMENT_PREFIX = "HAPROXY_TELEMETRY_"
CONFIG_VARIABLE = ENVIRONMENT_PREFIX + "CONFIG"


class Setting(msgspec.Struct, frozen=True):
    """One setting. ``section`` is ``""`` for those at the top of the file."""

    section: str
    key: str
    type: Any  # what msgspec converts to: a type, with its bounds
    default: object
    about: About
    meta: Meta
    many: bool
    choices: tuple[str, ...]
    kind: type

    @property
    def name(self) -> str:
        """``section.key``: how the other settings' errors and the flags call it."""
        return f"{self.section}.{self.key}" if self.section else self.key

    @property
    def label(self) -> str:
        """The setting as it stands in the file: ``[section] key``."""
        return f"[{self.section}] {self.key}" if self.section else self.key

    @property
    def variable(self) -> str:
        """The environment variable."""
        return ENVIRONMENT_PREFIX + self.name.replace(".", "_").upper()

    @property
    def expected(self) -> str:
        """What a right value is, in words."""
        one = _kind_in_words(self)
        if not self.many:
            return one
        most = f"; {self.meta.max_length} at most" if self.meta.max_length is not None else ""
        return f"{'at least one' if self.meta.min_length else 'any number'} of these: {one}{most}"


class Section(msgspec.Struct, frozen=True):
    """One table of the file. ``rows``: there are many of it, ``[[name]]``, which the file alone can give."""

    name: str
    type: Callable[..., Any]
    what: str
    settings: tuple[Setting, ...]
    rows: bool = False

    @property
    def header(self) -> str:
        """The table as the file writes it."""
        return f"[[{self.name}]]" if self.rows else f"[{self.name}]"


def _kind_in_words(setting: Setting) -> str:
    if setting.choices:
        return ("" if setting.many else "one of ") + ", ".join(setting.choices)
    if setting.kind is bool:
        return "true or false"
    if setting.kind is int or setting.kind is float:
        number = "a whole number" if setting.kind is int else "a number"
        unit = f" of {setting.about.unit}" if setting.about.unit else ""
        return f"{number}{unit} from {setting.meta.ge} to {setting.meta.le}"
    if setting.meta.max_length is not None and not setting.many:
        return f"a text of {setting.meta.min_length} to {setting.meta.max_length} characters"
    return setting.about.form


def _setting(section: str, key: str, annotation: Any, default: object) -> Setting:
    bare, *notes = get_args(annotation)
    about = next(note for note in notes if isinstance(note, About))
    meta = next((note for note in notes if isinstance(note, Meta)), Meta())
    many = get_origin(bare) is tuple
    item = get_args(bare)[0] if many else _without_none(bare)
    kind = str if about.parse or get_origin(item) is Literal else item
    if about.parse:
        bare = tuple[str, ...] if many else str
    elif not many:
        bare = item  # None is what is not given; nobody can write it
    choices = get_args(item) if get_origin(item) is Literal else ()
    return Setting(section, key, Annotated[bare, meta], default, about, meta, many, choices, kind)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation
    return next(part for part in get_args(annotation) if part is not types.NoneType)


def _section(name: str, struct: Any, rows: bool = False) -> Section:
    hints = get_type_hints(struct, include_extras=True)
    fields = msgspec.structs.fields(struct)
    settings = tuple(
        _setting(name, field.name, hints[field.name], field.default)
        for field in fields
        if get_origin(hints[field.name]) is Annotated
    )
    return Section(name, struct, " ".join(str(struct.__doc__).split()), settings, rows)


def _sections(name: str, struct: Any) -> Iterator[Section]:
    """Yield the section and all below it; the rows of a table come after the others."""
    yield _section(name, struct)
    for field in msgspec.structs.fields(struct):
        if isinstance(field.default, msgspec.Struct):
            yield from _sections(f"{name}.{field.name}".lstrip("."), type(field.default))


def _rows(section: Section) -> Iterator[Section]:
    hints = get_type_hints(section.type)
    struct: Any = section.type
    for field in msgspec.structs.fields(struct):
        item = next(iter(get_args(hints[field.name])), None)
        if isinstance(item, type) and issubclass(item, msgspec.Struct) and field.default == ():
            name = f"{section.name}.{field.name}".lstrip(".")
            # Which row a setting stands in is not part of its name.
            yield _section(name, item, rows=True)


SECTIONS: tuple[Section, ...] = tuple(_sections("", Settings))
ROWS: tuple[Section, ...] = tuple(rows for section in SECTIONS if section.name for rows in _rows(section))
SETTINGS: tuple[Setting, ...] = tuple(setting for section in SECTIONS for setting in section.settings)
BY_NAME: dict[str, Setting] = {setting.name: setting for setting in SETTINGS}
BY_VARIABLE: dict[str, Setting] = {setting.variable: setting for setting in SETTINGS}
