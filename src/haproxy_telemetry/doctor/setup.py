"""What the checks look at: the whole configuration with its SPOE engines, joined; still pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from haproxy_telemetry.doctor.configuration import Directive, Place, Section
from haproxy_telemetry.doctor.proxies import Proxy
from haproxy_telemetry.doctor.record import Record, find_record
from haproxy_telemetry.doctor.spoe import Engine
from haproxy_telemetry.doctor.version import Version
from haproxy_telemetry.settings.address import RecordsAddress

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Filter:
    """One `filter spoe` line. ``problem`` says why ``engine`` is ``None``."""

    proxy: Proxy
    name: str
    file: str
    place: Place
    engine: Engine | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Setup:
    """``version`` is ``None`` when it is not known; ``scopes`` are those of the agent's variables,
    ``records`` where it takes records: at least one address."""

    version: Version | None
    sections: tuple[Section, ...]
    proxies: tuple[Proxy, ...]
    filters: tuple[Filter, ...]
    spoe_lines: tuple[Directive, ...]
    records: tuple[RecordsAddress, ...]
    scopes: tuple[str, ...]

    @property
    def ours(self) -> tuple[tuple[Filter, Engine], ...]:
        """The filters that tell our agent something, with their engines."""
        return tuple((one, one.engine) for one in self.filters if one.engine and one.engine.is_ours)

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Our engines, each once, though several filters may use it."""
        return _unique(engine for _, engine in self.ours)

    @property
    def written(self) -> tuple[Record, ...]:
        """The records that the proxies write."""
        found = (find_record(proxy, self.sections) for proxy in self.proxies if proxy.takes_clients)
        return tuple(record for record in found if record)

    @property
    def traced(self) -> tuple[Proxy, ...]:
        """The frontends and `listen` sections whose streams become traces."""
        entrances = (proxy for one, _ in self.ours for proxy in self.entrances(one.proxy))
        return _unique([*entrances, *(record.proxy for record in self.written)])

    @property
    def all_lines(self) -> tuple[Directive, ...]:
        """Every line of every file."""
        return (*(line for section in self.sections for line in section.lines), *self.spoe_lines)

    @property
    def agent_backends(self) -> tuple[tuple[Proxy, tuple[Engine, ...]], ...]:
        """Where our agent is, with the engines that use it."""
        found = _unique(proxy for engine in self.engines if (proxy := self.backend(engine.agent.backend)))
        return tuple((p, tuple(e for e in self.engines if self.backend(e.agent.backend) == p)) for p in found)

    def backend(self, name: str) -> Proxy | None:
        """Return the backend or `listen` of that name."""
        return next((proxy for proxy in self.proxies if proxy.has_servers and proxy.name == name), None)

    def behind(self, proxy: Proxy) -> tuple[Proxy, ...]:
        """Return the proxy and all backends that its streams can reach; for computed names, all there are."""
        lines = [line for line in proxy.lines if line.words[0] in ("default_backend", "use_backend")]
        if any("%[" in line.word(1) for line in lines):
            return _unique([proxy, *(one for one in self.proxies if one.has_servers)])
        named = (self.backend(line.word(1)) for line in lines)
        return _unique([proxy, *(one for one in named if one)])

    def entrances(self, proxy: Proxy) -> tuple[Proxy, ...]:
        """Return where the streams of a proxy begin: itself, or the frontends that lead to a backend."""
        if proxy.takes_clients:
            return (proxy,)
        return tuple(one for one in self.proxies if one.takes_clients and proxy in self.behind(one))

    def at_least(self, major: int, minor: int) -> bool:
        """Say whether this is known to be that version or a later one."""
        return self.version is not None and self.version.at_least(major, minor)

    def before(self, major: int, minor: int) -> bool:
        """Say whether this is known to be an earlier version."""
        return self.version is not None and not self.version.at_least(major, minor)

    def global_lines(self, keyword: str) -> Iterator[Directive]:
        """Yield the lines of `global` that begin so."""
        for section in self.sections:
            if section.kind == "global":
                yield from (line for line in section.lines if line.begins(keyword))


def _unique(items: Iterable[T] | Sequence[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))
