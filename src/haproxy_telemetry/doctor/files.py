"""The files of a configuration, read from the disk, and made into the set-up that the checks look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from haproxy_telemetry.doctor.configuration import Directive, Section, Source, parse_sections
from haproxy_telemetry.doctor.proxies import Proxy, make_proxies
from haproxy_telemetry.doctor.setup import Filter, Setup
from haproxy_telemetry.doctor.spoe import make_engine
from haproxy_telemetry.doctor.version import Version
from haproxy_telemetry.settings.address import RecordsAddress


class CannotLookError(Exception):
    """A file that must be read and cannot; holds its path and the reason."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot read {self.path}: {self.reason}"


def read_setup(
    paths: Sequence[str],
    environ: Mapping[str, str],
    version: Version | None,
    records: tuple[RecordsAddress, ...],
    scopes: tuple[str, ...],
) -> Setup:
    """Read configuration files (and folders of them) with the SPOE files they name. Raises CannotLookError."""
    sections, environ = parse_sections(map(_source, _expand(paths)), environ, version)
    proxies = make_proxies(sections)
    reader = _SpoeReader(_default_path(sections), environ, version)
    filters = tuple(
        reader.filter(proxy, line) for proxy in proxies for line in proxy.own if line.begins("filter", "spoe")
    )
    return Setup(version, sections, proxies, filters, reader.lines, records, scopes)


def _expand(paths: Iterable[str]) -> Iterator[str]:
    """A folder stands for its .cfg files in their order, as in `haproxy -f FOLDER`."""
    for path in paths:
        if not Path(path).is_dir():
            yield path
            continue
        try:
            inside = sorted(one for one in Path(path).iterdir() if one.suffix == ".cfg" and one.name[0] != ".")
        except OSError as error:
            raise CannotLookError(path, error.strerror or str(error)) from error
        if not inside:
            raise CannotLookError(path, "there is no .cfg file in it")
        yield from map(str, inside)


def _source(path: str) -> Source:
    try:
        return Source(path, Path(path).read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path, which a SPOE file's may have
        reason = error.strerror if isinstance(error, OSError) else None
        raise CannotLookError(path, reason or str(error)) from error


def _default_path(sections: Iterable[Section]) -> Directive | None:
    lines = (line for section in sections if section.kind == "global" for line in section.lines)
    return next((line for line in reversed(list(lines)) if line.begins("default-path")), None)


class _SpoeReader:
    """Finds SPOE files where HAProxy would, and beside the configuration; each is read once."""

    def __init__(self, default_path: Directive | None, environ: Mapping[str, str], version: Version | None) -> None:
        self._default_path = default_path
        self._environ = environ
        self._version = version
        self._sections: dict[str, tuple[Section, ...]] = {}

    @property
    def lines(self) -> tuple[Directive, ...]:
        """Every line of every file that was read."""
        return tuple(line for sections in self._sections.values() for one in sections for line in one.lines)

    def filter(self, proxy: Proxy, line: Directive) -> Filter:
        """Return what a `filter spoe [engine NAME] config FILE` line stands for."""
        name, file = line.after("engine"), line.after("config")
        sections = self._read(file, line.place.file)
        if sections is None:
            return Filter(proxy, name, file, line.place, None, f"the SPOE file {file} cannot be read")
        engine = make_engine(sections, name)
        problem = "" if engine else f"{file} has no agent section in the scope [{name}]"
        return Filter(proxy, name, file, line.place, engine, problem)

    def _read(self, file: str, config: str) -> tuple[Section, ...] | None:
        for base in (self._base(config), Path(config).parent):
            path = str(base / file)  # an absolute path stays what it is
            if path not in self._sections:
                try:
                    source = _source(path)
                except CannotLookError:
                    continue
                self._sections[path] = parse_sections([source], self._environ, self._version)[0]
            return self._sections[path]
        return None

    def _base(self, config: str) -> Path:
        """`default-path` (manual, 3.1): where relative paths of a configuration file begin."""
        policy = self._default_path.word(1) if self._default_path else "current"
        folder = Path(config).parent
        bases = {"config": folder, "parent": folder / ".."}
        if self._default_path and policy == "origin":
            return Path(self._default_path.word(2))
        return bases.get(policy, Path())
