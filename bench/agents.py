"""What stands at the agent's place: the floor, and the agent itself, exporting live to a receiver."""

from __future__ import annotations

import re
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import receiver
from bench.builds import Build
from bench.native import ROOT, program
from bench.processes import LOOPBACK, FailedError, Process, free_port


@dataclass(frozen=True)
class Standing:
    """Something that answers NOTIFY frames: where, and the process that pays for it."""

    address: int | Path
    process: Process

    @property
    def flags(self) -> list[str | Path]:
        """Return where the load generator finds it."""
        return ["--port", str(self.address)] if isinstance(self.address, int) else ["--unix", self.address]


class Bench:
    """The programs of one measurement: started in ``folder``, ended together, each on the core that it is given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        cores: set[int] | None = None,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Process:
        """Start a program that ends with the measurement."""
        return self._stack.enter_context(Process(name, command, folder or self.folder, cores=cores, env=env))

    def address(self, transport: str) -> int | Path:
        """Return a new address: ``tcp`` or ``unix``."""
        return free_port() if transport == "tcp" else self.folder / f"{time.monotonic_ns()}.sock"

    def start_floor(
        self, address: int | Path, *, cores: set[int] | None = None, records: int | None = None
    ) -> Standing:
        """Start the agent that does nothing but answer."""
        process = self.start(
            "floor", [program("floor"), str(address), *([str(records)] if records else [])], cores=cores
        )
        process.wait_listening(address)
        return Standing(address, process)

    def start_unread(self) -> int:
        """Take a port for records and read none: the kernel throws them away. Return the port."""
        unread = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)  # the least that there is
        unread.bind((LOOPBACK, 0))
        return int(unread.getsockname()[1])

    def start_receiver(self, *, cores: set[int] | None = None) -> int:
        """Start the OTLP receiver; return its port."""
        port = free_port()
        process = self.start(
            "receiver",
            [sys.executable, "-m", "bench.receiver", str(port)],
            cores=cores,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        )
        process.wait_listening(port)
        return port

    def start_agent(
        self,
        build: Build,
        address: int | Path,
        receiver_port: int,
        *,
        cores: set[int] | None = None,
        env: Mapping[str, str] | None = None,
        flags: Sequence[str] = (),
    ) -> Standing:
        """Start the agent with live OTLP export and gzip; what else it does is said by ``env`` and ``flags``."""
        process = self.start(
            f"agent-{build.name}",
            build.command("serve", "--listen", listen_text(address), *flags),
            cores=cores,
            env=build.env | exporting(receiver_port) | dict(env or {}),
        )
        process.wait_listening(address)
        return Standing(address, process)


def listen_text(address: int | Path) -> str:
    """Return an address as the settings write it."""
    return f"{LOOPBACK}:{address}" if isinstance(address, int) else f"unix:{address}"


def exporting(receiver_port: int) -> dict[str, str]:
    """Return the variables of a live export of traces, compressed."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{LOOPBACK}:{receiver_port}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": "bench",
    }


def full_flags(records: int) -> list[str]:
    """Return the flags that make the agent take records and serve its pages."""
    return ["--records", f"udp:{LOOPBACK}:{records}", "--admin", f"{LOOPBACK}:{free_port()}"]


def full_env() -> dict[str, str]:
    """Return the variables that export metrics and logs too: with :func:`full_flags`, all features."""
    return {"OTEL_METRICS_EXPORTER": "otlp,prometheus", "OTEL_LOGS_EXPORTER": "otlp"}


def sampled(share: float) -> dict[str, str]:
    """Return the variables that sample this share of new traces."""
    if share == 1:
        return {}
    return {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": str(share)}


def totals(output: str) -> dict[str, int]:
    """Return the counters of the agent's last log line; raise :class:`FailedError` if it said none."""
    lines = [line for line in output.splitlines() if "exported=" in line and "lost=" in line]
    if not lines:
        raise FailedError(f"the agent did not say what became of its spans:\n{output[-2000:]}")
    return {name: int(value) for name, value in re.findall(r"([\w.]+)=(\d+)(?=\s|$)", lines[-1])}


def wait_exported(port: int, spans: int, patience: float) -> int:
    """Wait until the receiver has so many spans, or gets no more; return how many it has."""
    deadline, last = time.monotonic() + patience, -1
    while (count := receiver.ask(port)["spans"]) < spans and time.monotonic() < deadline:
        if count != last:
            deadline, last = time.monotonic() + patience, count
        time.sleep(0.2)
    return count
