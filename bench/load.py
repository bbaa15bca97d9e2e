"""One run of the load generator, and its result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from bench.agents import Standing
from bench.native import program
from bench.processes import PATIENCE, run


@dataclass(frozen=True)
class Load:
    """How much at once: ``window`` transactions on each of ``connections``."""

    connections: int
    window: int

    @property
    def name(self) -> str:
        """Return it as the load generator's options."""
        return f"-c {self.connections} -w {self.window}"


BATCHED = Load(4, 8)
UNBATCHED = Load(32, 1)


@dataclass(frozen=True)
class Loaded:
    """What one run did in its measured time; ``all_transactions`` counts those before and after it too."""

    transactions: int
    all_transactions: int
    frames: int
    seconds: float
    frames_per_s: float
    actions: int
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float
    agent_us_per_frame: float
    load_us_per_frame: float


def parse_loaded(text: str) -> Loaded:
    """Read the line that the load generator prints."""
    values = json.loads(text)
    return Loaded(**{name: values[name] for name in Loaded.__dataclass_fields__})


def drive(
    standing: Standing,
    frames: Path,
    load: Load,
    *,
    seconds: float = 0.0,
    warmup: float = 0.3,
    transactions: int = 0,
    cores: set[int] | None = None,
) -> Loaded:
    """Send ``frames`` to what stands there, for ``seconds`` or as so many transactions."""
    much = ["--transactions", str(transactions)] if transactions else ["-t", str(seconds), "--warmup", str(warmup)]
    where = ["-c", str(load.connections), "-w", str(load.window), *standing.flags, "--pid", str(standing.process.pid)]
    patience = PATIENCE + (600 if transactions else seconds + warmup)
    return parse_loaded(run([program("load"), "--frames", frames, *much, *where], cores=cores, patience=patience))
