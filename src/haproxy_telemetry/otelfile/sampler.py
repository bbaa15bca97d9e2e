"""A sampler of the file as ``OTEL_TRACES_SAMPLER``; both names of ratios mean the same here, consistent probability."""

from __future__ import annotations

from typing import Final

from haproxy_telemetry.otelfile.table import OtelFileError, Table
from haproxy_telemetry.otelfile.variables import Variables

_ROOTS: Final = ("always_on", "always_off", "trace_id_ratio_based", "probability/development")
_BY_PARENT: Final = {
    "remote_parent_sampled": "always_on",
    "remote_parent_not_sampled": "always_off",
    "local_parent_sampled": "always_on",
    "local_parent_not_sampled": "always_off",
}


def sampler(chosen: Table, made: Variables) -> None:
    """Write the variables; none without a sampler: the schema's default is the agent's, and its settings may say."""
    if not chosen:
        return
    with chosen.kind((*_ROOTS, "parent_based")) as (name, inner):
        if name != "parent_based":
            _root(name, inner, "", made)
            return
        with inner.sub("root") as root:
            if root:
                with root.kind(_ROOTS) as (name, settings):
                    _root(name, settings, "parentbased_", made)
            else:
                made.put("OTEL_TRACES_SAMPLER", "parentbased_always_on", inner.where)
        for key, only in _BY_PARENT.items():
            with inner.sub(key) as by_parent:
                if by_parent:
                    _only(by_parent, only)


def _root(name: str, settings: Table, prefix: str, made: Variables) -> None:
    ratio = settings.take("ratio", 1.0) if not name.startswith("always") else None
    made.put("OTEL_TRACES_SAMPLER", prefix + (name if ratio is None else "traceidratio"), settings.where)
    if ratio is not None:
        made.put("OTEL_TRACES_SAMPLER_ARG", ratio, settings.at("ratio"))


def _only(by_parent: Table, only: str) -> None:
    try:
        with by_parent.kind((only,)):
            pass
    except OtelFileError as error:
        raise OtelFileError(by_parent.where, f"a caller's decision counts here: {only} only") from error
