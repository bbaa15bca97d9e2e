"""The names of ``OTEL_PROPAGATORS``, for the agent and for the generator of configurations.

A name that is unknown, or known to OpenTelemetry and not to us, is an error that says so: with a header too few,
traces fall apart far from here, where nobody looks for a misspelt word.
"""

from __future__ import annotations

from typing import Final

VARIABLE: Final = "OTEL_PROPAGATORS"
DEFAULT: Final = ("tracecontext", "baggage")
NAMES: Final = (*DEFAULT, "b3", "b3multi", "jaeger", "none")
UNSUPPORTED: Final = ("xray", "ottrace")


class PropagatorsError(ValueError):
    """A list of propagators can't be obeyed: where it stands, its value, which name, why, and what to do."""

    def __init__(self, value: str, name: str, problem: str, fix: str) -> None:
        self.value = value
        self.name = name
        self.problem = problem
        self.fix = fix
        super().__init__(f"{VARIABLE}={value!r}: {self.reason}")

    @property
    def reason(self) -> str:
        """What is wrong, without saying where."""
        return f"{self.name!r} {self.problem}; {self.fix}"


def parse_propagators(value: str) -> tuple[str, ...]:
    """Return the names in their order, each once; ``()`` for ``none``, the default for an empty text.

    Raises :class:`PropagatorsError`.
    """
    if not value.strip():
        return DEFAULT
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
    for name in names:
        if name in UNSUPPORTED:
            raise PropagatorsError(value, name, "is not supported", f"use some of {', '.join(NAMES[:-1])}")
        if name not in NAMES:
            raise PropagatorsError(value, name, "is no propagator", f"there are {', '.join(NAMES)}")
    if "none" in names and len(names) > 1:
        raise PropagatorsError(value, "none", "stands beside others", "leave it out, or let it stand alone")
    return () if names == ("none",) else names
