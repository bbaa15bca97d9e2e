"""SIGHUP: the settings are read again as a whole, and their sampling is taken over; a mistake leaves all as it was.

Here too: how settings and the environment become a :class:`~.sampling.Sampling`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final, Protocol, final

import msgspec

from haproxy_telemetry.logs import fields
from haproxy_telemetry.sampling import (
    Action,
    Rule,
    Sampler,
    SamplerError,
    Sampling,
    Tail,
    read_sampler,
    sampler_named,
    threshold_of,
)
from haproxy_telemetry.settings import RuleSettings, SamplingSettings, Settings, SettingsError
from haproxy_telemetry.settings.catalog import ROWS, SETTINGS
from haproxy_telemetry.settings.load import lookup
from haproxy_telemetry.stats import Stats

_LOG: Final = logging.getLogger("haproxy_telemetry.reload")

_MS: Final = 1_000_000
_OURS: Final = "sampling"


def make_sampling(settings: SamplingSettings, environ: Mapping[str, str]) -> Sampling:
    """Return what the settings and ``OTEL_TRACES_SAMPLER`` say; raise :class:`SamplerError`."""
    tail = settings.tail
    rules = [Rule(Action.DROP, path=settings.drop)] if settings.drop else []
    return Sampling(
        _sampler(settings, environ),
        [*rules, *(_rule(one) for one in settings.rules)],
        Tail(tail.errors, tail.slow_ms * _MS, tail.retries, tail.aborts, threshold_of(tail.ratio)),
    )


def _sampler(settings: SamplingSettings, environ: Mapping[str, str]) -> Sampler:
    of_environment = read_sampler(environ)
    if settings.sampler is None and settings.ratio is None:
        return of_environment or Sampler()
    said = f"[sampling] {'ratio' if settings.sampler is None else 'sampler'}"
    if of_environment is not None:
        name = environ["OTEL_TRACES_SAMPLER"]
        raise SamplerError("OTEL_TRACES_SAMPLER", name, f"{said} is given too; say it in one place")
    ratio = 1.0 if settings.ratio is None else settings.ratio
    return sampler_named(said, settings.sampler or "parentbased_traceidratio", ratio)


def _rule(rule: RuleSettings) -> Rule:
    return Rule(
        Action(rule.action),
        frontend=rule.frontend,
        backend=rule.backend,
        path=rule.path,
        method=rule.method,
        tag=rule.tag,
        network=rule.network,
        threshold=threshold_of(1.0 if rule.ratio is None else rule.ratio),
        per_second=rule.per_second or 0.0,
        slow_ns=(rule.slow_ms or 0) * _MS,
    )


class Sampled(Protocol):
    """What samples: the agent, or all workers of one."""

    stats: Stats

    def use_sampling(self, sampling: Sampling) -> None:
        """Decide by this from now on."""


@final
class Reload:
    """What SIGHUP calls: reads the settings again, says what came of it."""

    def __init__(
        self, agent: Sampled, settings: Settings, load_again: Callable[[], Settings], environ: Mapping[str, str]
    ) -> None:
        self._agent = agent
        self._settings = settings
        self._load_again = load_again
        self._environ = environ

    def __call__(self) -> None:
        """Take the new sampling over, or leave the old one and say why."""
        try:
            settings = self._load_again()
            sampling = make_sampling(settings.sampling, self._environ)
        except (SettingsError, SamplerError) as error:
            self._agent.stats.count("reloads", "failed")
            _LOG.error("the new settings are wrong, the old ones stay", extra=fields(error=error))
            return
        self._agent.stats.count("reloads", "done")
        changed = differences(self._settings, settings)
        if any(name.startswith(_OURS) for name in changed):
            self._agent.use_sampling(sampling)
            self._settings = msgspec.structs.replace(self._settings, sampling=settings.sampling)
        _LOG.info(
            "settings read again",
            extra=fields(
                changed=",".join(name for name in changed if name.startswith(_OURS)) or "nothing",
                sampler=sampling.sampler,
                rules=len(sampling.rules),
            ),
        )
        if waiting := [name for name in changed if not name.startswith(_OURS)]:
            _LOG.warning("these settings have changed too and need a restart", extra=fields(settings=",".join(waiting)))


def differences(before: Settings, after: Settings) -> list[str]:
    """Return the names of the settings that differ."""
    names = [setting.name for setting in SETTINGS] + [rows.name for rows in ROWS]
    return [name for name in names if lookup(before, name) != lookup(after, name)]
