"""The demo's child processes: started, watched, and gone at the end, whatever the end is.

Each is a process group of its own, so Ctrl-C in the terminal reaches the demo alone, which stops them in order;
each dies with the demo (``launch``). One that ends by itself is an error that carries its last lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import Process
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from haproxy_telemetry.demo.listening import listens
from haproxy_telemetry.settings import ADDRESS_TAKEN

TAIL_LINES = 12
LINE_BYTES = 64 * 1024
STOP_SECONDS = 4.0

_TAKEN = ("in use", "cannot bind", ADDRESS_TAKEN)  # as the system, HAProxy and the agent say it

Echo = Callable[[str, str], None]  # the child's name, one line of its output


class ChildDiedError(Exception):
    """A child ended although nobody asked it to."""

    def __init__(self, name: str, code: int, tail: Sequence[str]) -> None:
        said = "".join(f"\n  | {line}" for line in tail) or " It said nothing."
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        super().__init__(f"{name} {how}.{said}")
        self.name = name
        self.code = code
        self.tail = tuple(tail)

    @property
    def port_taken(self) -> bool:
        """Somebody was faster between the choice of the port and its use."""
        text = " ".join(self.tail).lower()
        return any(words in text for words in _TAKEN)


class StartTimeoutError(Exception):
    """A child runs, and yet nobody listens."""

    def __init__(self, name: str, port: int, seconds: float, tail: Sequence[str]) -> None:
        said = "".join(f"\n  | {line}" for line in tail) or " It said nothing."
        super().__init__(f"{name} did not listen on 127.0.0.1:{port} within {seconds:.0f} s.{said}")
        self.name = name
        self.port = port


class Child:
    """One process and the last of what it said."""

    def __init__(self, name: str, process: Process) -> None:
        self.name = name
        self.process = process
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)

    async def listen(self, echo: Echo | None) -> None:
        """Read its output to the end; lines that are too long are cut up."""
        stream = self.process.stdout
        assert stream is not None
        while raw := await _line(stream):
            line = raw.decode("utf-8", "replace").rstrip()
            self.tail.append(line[:500])
            if echo is not None:
                echo(self.name, line)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its group, if there is one still."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


class Children:
    """All of them, in the order of their start; they are stopped in the opposite one."""

    def __init__(self, group: asyncio.TaskGroup, echo: Echo | None) -> None:
        self._group = group
        self._echo = echo
        self._children: list[Child] = []
        self._stopping = False

    async def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        """Start a process; from now on its end is an error, until ``stop``."""
        launcher = [sys.executable, "-P", "-m", "haproxy_telemetry.launch", str(os.getpid())]
        process = await asyncio.create_subprocess_exec(
            *launcher,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(environment),
            process_group=0,
            limit=LINE_BYTES,
        )
        child = Child(name, process)
        self._children.append(child)
        self._group.create_task(self._watch(child), name=f"watch {name}")
        return child

    async def _watch(self, child: Child) -> None:
        await child.listen(self._echo)
        code = await child.process.wait()
        if not self._stopping:
            raise ChildDiedError(child.name, code, child.tail)

    async def stop(self) -> None:
        """End them one after the other: SIGTERM, some seconds, SIGKILL. Called twice, it hurries."""
        self._stopping = True
        try:
            for child in reversed(self._children):
                child.signal(signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(child.process.wait(), STOP_SECONDS)
        finally:
            for child in self._children:
                child.signal(signal.SIGKILL)


@asynccontextmanager
async def supervised(echo: Echo | None = None) -> AsyncIterator[Children]:
    """Hold children: none is left when the block is over. Raises ``ChildDiedError`` where one ends in it."""
    try:
        async with asyncio.TaskGroup() as group:
            children = Children(group, echo)
            try:
                yield children
            finally:
                await children.stop()
    except BaseExceptionGroup as errors:
        raise _most_telling(errors) from None


async def wait_listening(child: Child, port: int, seconds: float) -> None:
    """Return when the child listens on the port; raises ``StartTimeoutError``.

    Somebody else may: who takes the port before the child does would pass for it, until the child says so and ends.
    """
    try:
        async with asyncio.timeout(seconds):
            while not (await _connects(port) and listens(child.process.pid, port)):
                await asyncio.sleep(0.02)
    except TimeoutError as error:
        raise StartTimeoutError(child.name, port, seconds, child.tail) from error


async def _connects(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def _line(stream: asyncio.StreamReader) -> bytes:
    """Return one line, or as much of it as fits; b"" at the end."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError:
        return await stream.read(LINE_BYTES)


def _most_telling(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """A child's death is the cause of whatever else went wrong at the same time."""
    died, _ = errors.split(ChildDiedError)
    found: BaseException = died or errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
