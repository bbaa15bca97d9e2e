"""Programs that a live test starts: on free ports, bounded in time, and gone when the test is gone."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

LOOPBACK = "127.0.0.1"
# How long anything that normally takes milliseconds may take on a busy machine.
PATIENCE = 10.0
_LISTENING = "0A"  # in the `st` column of /proc/net/tcp


# Tests run side by side: each worker of pytest-xdist ("gw3") has ports of its own, in an order of its own.
_WORKERS = 16
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_ROWS, _END = 28_000, 32_768  # those of a row follow each other, so whole stretches belong to one worker
_LONGEST_ROW = 8
_PORTS = [port for port in range(10_000 + _WORKER, _ROWS, _WORKERS) if not 16_686 <= port < 16_700]  # the demo's viewer
random.shuffle(_PORTS)
_next_port = itertools.cycle(_PORTS).__next__
_STRETCH = (_END - _ROWS) // _WORKERS
_FIRSTS = list(range(_ROWS + _WORKER * _STRETCH, _ROWS + (_WORKER + 1) * _STRETCH - _LONGEST_ROW, _LONGEST_ROW))
random.shuffle(_FIRSTS)
_next_first = itertools.cycle(_FIRSTS).__next__


def free_port() -> int:
    """Return a port that nobody uses, and none that was returned a moment ago: its program may not listen yet.

    It lies below the ports that the kernel gives to outgoing connections (32768 and up), so that none of
    those can take it before the program that it is meant for.
    """
    while True:
        port = _next_port()
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


def free_ports_in_a_row(number: int) -> int:
    """Return the first of so many ports that follow each other and that nobody uses."""
    assert number <= _LONGEST_ROW
    while True:
        first = _next_first()
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + number):
                    stack.enter_context(socket.socket()).bind((LOOPBACK, port))
            except OSError:
                continue
            return first


def listening_ports() -> set[int]:
    """The ports that some program listens on, read without connecting: a connection would be an event."""
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state = line.split()[:4]
            if state == _LISTENING:
                ports.add(int(local.rpartition(":")[2], 16))
    return ports


def wait_until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Come back as soon as `condition` holds, fail with `what` when it does not within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience:g} s: {what}")
        time.sleep(0.005)


class Process:
    """A program with its output in one file. Dies with the test run, however that ends."""

    def __init__(self, command: Sequence[str], folder: Path, name: str, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._output = folder / f"{name}.{time.monotonic_ns()}.log"
        with self._output.open("wb") as output:
            self._popen = subprocess.Popen(
                # PR_SET_PDEATHSIG without code of ours between fork and exec: this process has threads.
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                cwd=folder,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        return self._popen.poll()

    @property
    def output(self) -> str:
        """What it wrote so far, on stdout and stderr."""
        return self._output.read_text(errors="backslashreplace")

    def wait_listening(self, ports: Sequence[int]) -> None:
        """Come back when all `ports` are open; fail with the output when the program ended instead."""
        wait_until(lambda: self.returncode is not None or set(ports) <= listening_ports(), f"{self.name} on {ports}")
        assert self.returncode is None, f"{self.name} ended with {self.returncode}:\n{self.output}"

    def send(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def wait(self, patience: float = PATIENCE) -> int:
        """Wait for its end and return its exit code."""
        return self._popen.wait(patience)

    def stop(self, number: signal.Signals = signal.SIGTERM, patience: float = PATIENCE) -> int:
        """Ask it to end, kill it when it does not, and return its exit code (negative: the signal)."""
        if self.returncode is None:
            self.send(number)
        try:
            return self.wait(patience)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self.wait()
