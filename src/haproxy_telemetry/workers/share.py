"""What of the settings is a worker's: its addresses, and its part of what holds for all of them together. Pure."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from haproxy_telemetry.settings import ListenAddress, SamplingSettings, Settings, worker_addresses


def settings_of(settings: Settings, number: int) -> Settings:
    """Return the settings of the worker of that number, from 1 on."""
    workers = settings.server.workers
    return msgspec.structs.replace(
        settings,
        listen=tuple([worker_addresses(address, workers)[number - 1] for address in settings.listen]),
        sampling=sampling_of(settings.sampling, workers),
    )


def sampling_of(sampling: SamplingSettings, workers: int) -> SamplingSettings:
    """Return a worker's sampling: of so many traces in a second it keeps its part."""
    rules = [
        msgspec.structs.replace(rule, per_second=rule.per_second / workers) if rule.per_second else rule
        for rule in sampling.rules
    ]
    return msgspec.structs.replace(sampling, rules=tuple(rules))


def bound(settings: Settings, addresses: tuple[ListenAddress, ...]) -> Settings:
    """Return the settings with the addresses that the system chose: a worker that is started again takes the same."""
    chosen = any(getattr(address, "port", None) == 0 for address in settings.listen)
    return msgspec.structs.replace(settings, listen=addresses) if chosen else settings


def attributes_of(text: str, instance: str, number: int) -> str:
    """Return ``OTEL_RESOURCE_ATTRIBUTES`` for a worker where it says the ``instance``: the last of a name counts.

    Two workers under one ``service.instance.id`` would write the same series of metrics.
    """
    return f"{text},service.instance.id={quote(f'{instance}-{number}', safe='')}"
