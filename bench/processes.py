"""Programs that a measurement starts: where they run, what CPU and memory they take, and that they end with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"
PATIENCE = 20.0
"""Seconds within which a program must do what takes it milliseconds."""

POLL = 0.002


class FailedError(Exception):
    """A program did not do what was asked; the text has the end of its output."""


def free_port() -> int:
    """Return a port of the loopback address that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def core(number: int) -> set[int]:
    """Return the cores of a pinned program: one of its own, or all where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[number % len(cores)]}


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process with all its threads, in ns steps: /proc/PID/stat counts by 10 ms."""
    return time.clock_gettime(((~pid) << 3) | 2)  # clock_getcpuclockid(3), as glibc makes it on Linux


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise FailedError(f"process {pid} has ended")


def accepts(address: int | Path) -> bool:
    """Return whether somebody takes connections at a port of the loopback address, or at a path."""
    family, name = (socket.AF_INET, (LOOPBACK, address)) if isinstance(address, int) else (socket.AF_UNIX, str(address))
    with socket.socket(family) as probe:
        return probe.connect_ex(name) == 0


class Process:
    """A program that runs until the end of its ``with`` block; its output is a file in ``folder``."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        *,
        cores: set[int] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._output = folder / f"{name}.{time.monotonic_ns()}.log"
        with self._output.open("wb") as output:
            self._popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)],
                cwd=folder,
                env=clean_environment() | dict(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
            )
        self.pid = self._popen.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def output(self) -> str:
        """Return what it wrote so far."""
        return self._output.read_text(errors="backslashreplace")

    @property
    def cpu(self) -> float:
        """Return its CPU seconds."""
        return cpu_seconds(self.pid)

    @property
    def rss(self) -> int:
        """Return its resident memory in bytes."""
        return rss_bytes(self.pid)

    def wait_listening(self, address: int | Path) -> float:
        """Wait until it takes connections; return when that was, by :func:`time.monotonic`."""
        deadline = time.monotonic() + PATIENCE
        while not accepts(address):
            if self._popen.poll() is not None:
                raise FailedError(f"{self.name} ended with {self._popen.returncode}:\n{self.output[-2000:]}")
            if time.monotonic() > deadline:
                raise FailedError(f"{self.name} does not listen on {address}:\n{self.output[-2000:]}")
            time.sleep(POLL)
        return time.monotonic()

    def kill(self) -> None:
        """End it at once."""
        self._popen.kill()
        self._popen.wait()

    def stop(self) -> None:
        """Ask it to end, and make it end if it does not."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
        try:
            self._popen.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


def run(
    command: Sequence[str | Path],
    *,
    cores: set[int] | None = None,
    env: Mapping[str, str] | None = None,
    patience: float = PATIENCE,
) -> str:
    """Run a program to its end; return what it printed. Raises :class:`FailedError`."""
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
        env=clean_environment() | dict(env or {}),
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
    )
    if done.returncode:
        raise FailedError(f"{command[0]} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


def clean_environment() -> dict[str, str]:
    """Return our environment without what would change how an agent exports or what it reads."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "HAPROXY_TELEMETRY_"))}


def wait_until(done: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait for a condition; raise :class:`FailedError` if it does not come."""
    deadline = time.monotonic() + patience
    while not done():
        if time.monotonic() > deadline:
            raise FailedError(f"not within {patience:g} s: {what}")
        time.sleep(0.02)
