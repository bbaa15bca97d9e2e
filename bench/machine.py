"""The machine that figures were taken on: without it, an absolute number says nothing."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """What decides about speed."""

    processor: str
    cores: int
    kernel: str
    python: str

    @property
    def text(self) -> str:
        """Return it in one line."""
        return f"{self.processor}, {self.cores} cores, Linux {self.kernel}, Python {self.python}"


def this_machine() -> Machine:
    """Return the one that we run on."""
    info = Path("/proc/cpuinfo").read_text()
    return Machine(
        processor=processor_of(info),
        cores=len(os.sched_getaffinity(0)),
        kernel=".".join(platform.release().split("-")[0].split(".")[:2]),
        python=platform.python_version(),
    )


def processor_of(cpuinfo: str) -> str:
    """Return the model's name in /proc/cpuinfo, which not every processor has."""
    names = [line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    virtual = " (virtual)" if " hypervisor" in cpuinfo else ""
    return (names[0] if names else platform.machine()) + virtual
