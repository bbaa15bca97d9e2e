"""Configuration files as sections of directives, in HAProxy's language; also used for SPOE files.

Pure: texts and the environment come in. Decided here: where a section begins, what the conditional blocks and
the environment (`setenv`, `presetenv`) make of a line, and the scopes of SPOE files (`[engine]`). What a directive
means is for others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from haproxy_telemetry.doctor.conditions import Blocks
from haproxy_telemetry.doctor.version import Version
from haproxy_telemetry.doctor.words import split_words

PROXIES = ("frontend", "backend", "listen")
_SECTIONS = frozenset(
    (
        "global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "userlist", "mailers", "program",
        "http-errors", "ring", "cache", "log-forward", "log-profile", "fcgi-app", "crt-store", "traces", "acme",
        "healthcheck", "spoe-agent", "spoe-message", "spoe-group",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Directive:
    """One line, its words without quotes."""

    words: tuple[str, ...]
    place: Place

    @property
    def text(self) -> str:
        """The words, put together again."""
        return " ".join(self.words)

    def begins(self, *words: str) -> bool:
        """Say whether the line begins with these words."""
        return self.words[: len(words)] == words

    def word(self, index: int) -> str:
        """Return a word, empty past the end."""
        return self.words[index] if index < len(self.words) else ""

    def after(self, keyword: str) -> str:
        """Return the word that follows ``keyword``, empty if there is none."""
        if keyword not in self.words:
            return ""
        return self.word(self.words.index(keyword) + 1)


@dataclass(frozen=True, slots=True)
class Section:
    """``frontend web from http``: kind ``frontend``, name ``web``, base ``http``; scope only in SPOE files."""

    kind: str
    name: str
    base: str
    scope: str
    place: Place
    lines: tuple[Directive, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A file: its path as a person gave it, and its text."""

    path: str
    text: str


def parse_sections(
    sources: Iterable[Source], environ: Mapping[str, str], version: Version | None
) -> tuple[tuple[Section, ...], Mapping[str, str]]:
    """Return the sections in the order of the files, and the environment as their `setenv` lines left it."""
    reader = _Reader(dict(environ), version)
    for source in sources:
        reader.read(source)
    return tuple(reader.sections), reader.environ


class _Reader:
    def __init__(self, environ: dict[str, str], version: Version | None) -> None:
        self.environ = environ
        self.sections: list[Section] = []
        self._version = version
        self._scope = ""
        self._heading: Directive | None = None
        self._lines: list[Directive] = []

    def read(self, source: Source) -> None:
        self._scope = ""
        for directive in self._active(source):
            if scope := _scope_of(directive):
                self._end_section()
                self._scope = scope
            elif directive.words[0] in _SECTIONS:
                self._end_section()
                self._heading = directive
            else:
                self._lines.append(directive)
                self._set_environment(directive)
        self._end_section()

    def _active(self, source: Source) -> Iterator[Directive]:
        blocks = Blocks(self.environ, self._version)
        for number, line in enumerate(source.text.split("\n"), start=1):
            words = split_words(line, self.environ)
            if words and not blocks.directive(words) and blocks.active:
                yield Directive(tuple(words), Place(source.path, number))

    def _end_section(self) -> None:
        heading, lines = self._heading, tuple(self._lines)
        self._heading, self._lines = None, []
        if heading is None:
            return
        name = "" if heading.word(1) == "from" else heading.word(1)
        self.sections.append(Section(heading.words[0], name, heading.after("from"), self._scope, heading.place, lines))

    def _set_environment(self, directive: Directive) -> None:
        if self._heading is None or self._heading.words[0] != "global":
            return
        keyword, name, value = directive.words[0], directive.word(1), directive.word(2)
        if keyword == "setenv" or (keyword == "presetenv" and name not in self.environ):
            self.environ[name] = value
        elif keyword == "unsetenv":
            for gone in directive.words[1:]:
                self.environ.pop(gone, None)
        elif keyword == "resetenv":
            kept = directive.words[1:]
            for gone in [one for one in self.environ if one not in kept]:
                del self.environ[gone]


def _scope_of(directive: Directive) -> str:
    """Return ``otel`` for the line ``[otel]``, else nothing."""
    text = directive.text
    return text[1:-1].strip() if text.startswith("[") and text.endswith("]") else ""
