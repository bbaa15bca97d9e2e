"""The samplers that OpenTelemetry names: ``OTEL_TRACES_SAMPLER`` and ``OTEL_TRACES_SAMPLER_ARG``.

A name that is misspelt, or that needs a service which is not here, is an error and never a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from haproxy_telemetry.sampling.thresholds import ALWAYS, NEVER, threshold_of

NAME: Final = "OTEL_TRACES_SAMPLER"
ARGUMENT: Final = "OTEL_TRACES_SAMPLER_ARG"
DEFAULT: Final = "parentbased_always_on"

NAMES: Final = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)
_ELSEWHERE: Final = {
    "jaeger_remote": "it asks a Jaeger server for its ratios",
    "parentbased_jaeger_remote": "it asks a Jaeger server for its ratios",
    "xray": "it asks AWS X-Ray for its rules",
}


class SamplerError(ValueError):
    """A sampler or an argument that cannot be had; holds where it was said, its value and what would be right."""

    def __init__(self, where: str, value: str, expected: str) -> None:
        super().__init__(where, value, expected)
        self.where = where
        self.value = value
        self.expected = expected

    def __str__(self) -> str:
        return f"{self.where} is {self.value!r}: {self.expected}"


class Sampler(NamedTuple):
    """``threshold``: which traces that begin here are kept. ``parent_based``: a caller's own decision counts."""

    parent_based: bool = True
    threshold: int = ALWAYS

    def __str__(self) -> str:
        kept = {ALWAYS: "all", NEVER: "none"}.get(self.threshold, f"{100 * (1 - self.threshold / NEVER):.4g} %")
        return f"{kept} of new traces, {'callers decide theirs' if self.parent_based else 'whatever callers say'}"


def read_sampler(environ: Mapping[str, str]) -> Sampler | None:
    """Return the sampler of the environment, ``None`` if it names none; raise :class:`SamplerError`."""
    name, argument = environ.get(NAME, "").strip(), environ.get(ARGUMENT, "").strip()
    if not name and not argument:
        return None
    if not name:
        raise SamplerError(ARGUMENT, argument, f"it counts with {NAME} only, which is not set")
    if argument and not name.lower().endswith("traceidratio") and name.lower() in NAMES:
        raise SamplerError(ARGUMENT, argument, f"{NAME} is {name}, which takes no argument")
    found = sampler_named(NAME, name, 1.0)
    return found if not argument else sampler_named(NAME, name, ratio_in(argument))


def sampler_named(where: str, text: str, ratio: float) -> Sampler:
    """Return the sampler of one of the names, in any case; ``ratio`` is that of ``traceidratio``."""
    name = text.lower()
    if name in _ELSEWHERE:
        raise SamplerError(where, text, f"this agent has no such sampler, {_ELSEWHERE[name]}; there are {_known()}")
    if name not in NAMES:
        raise SamplerError(where, text, f"there are {_known()}")
    threshold = {"always_on": ALWAYS, "always_off": NEVER}.get(name.removeprefix("parentbased_"))
    return Sampler(name.startswith("parentbased_"), threshold_of(ratio) if threshold is None else threshold)


def ratio_in(text: str) -> float:
    """Return the ratio that ``OTEL_TRACES_SAMPLER_ARG`` writes."""
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0.0 <= ratio <= 1.0:
        raise SamplerError(ARGUMENT, text, "expected a number from 0 to 1")
    return ratio


def _known() -> str:
    return ", ".join(NAMES)
