"""Which traces are exported: samplers, rules, thresholds, and what the end of a stream still decides.

Pure, and free of every other part: facts and times come in as arguments, decisions go out. ``trace/deciding.py``
says what a stream's facts are, the assembler asks when.
"""

from __future__ import annotations

from haproxy_telemetry.sampling.decide import Decision, Given, Sampling
from haproxy_telemetry.sampling.rules import Action, Facts, Rule
from haproxy_telemetry.sampling.samplers import Sampler, SamplerError, read_sampler, sampler_named
from haproxy_telemetry.sampling.tail import Ending, Tail
from haproxy_telemetry.sampling.thresholds import threshold_of, write_threshold
from haproxy_telemetry.sampling.tracestate import with_threshold

__all__ = [
    "Action",
    "Decision",
    "Ending",
    "Facts",
    "Given",
    "Rule",
    "Sampler",
    "SamplerError",
    "Sampling",
    "Tail",
    "read_sampler",
    "sampler_named",
    "threshold_of",
    "with_threshold",
    "write_threshold",
]
