"""Children that die, hang, or lose their parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from haproxy_telemetry.demo.children import (
    ChildDiedError,
    Children,
    StartTimeoutError,
    supervised,
    wait_listening,
)
from haproxy_telemetry.demo.listening import listens

PYTHON = sys.executable
READY = "import sys, time; print('ready', flush=True); "


def is_alive(pid: int) -> bool:
    """A process that nobody has waited for yet is dead all the same."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 10
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "a process is left"
        time.sleep(0.01)


async def until_ready(children: Children, program: str) -> int:
    """Start a Python program and wait for its first line, which it writes when it is set up."""
    child = await children.start("child", [PYTHON, "-c", program], os.environ)
    async with asyncio.timeout(10):
        while "ready" not in child.tail:
            await asyncio.sleep(0.01)
    return child.process.pid


async def hold(scene: Callable[[Children], Awaitable[object]]) -> None:
    """Play a scene with children, then wait for what comes of it."""
    async with asyncio.timeout(10), supervised() as children:
        await scene(children)
        await asyncio.sleep(60)


async def test_a_child_that_ends_is_an_error_with_its_last_lines() -> None:
    program = "import sys\nfor n in range(50): print('line', n, flush=True)\nsys.exit('no more')"
    with pytest.raises(ChildDiedError, match=r"(?s)child ended with exit code 1.*line 49.*no more") as caught:
        await hold(lambda children: children.start("child", [PYTHON, "-c", program], os.environ))
    assert len(caught.value.tail) == 12
    assert not caught.value.port_taken


async def test_a_child_that_is_killed_names_the_signal() -> None:
    async def scene(children: Children) -> None:
        os.kill(await until_ready(children, READY + "time.sleep(60)"), signal.SIGKILL)

    with pytest.raises(ChildDiedError, match="was killed by SIGKILL"):
        await hold(scene)


async def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ChildDiedError, match="/no/such/haproxy: No such file"):
        await hold(lambda children: children.start("haproxy-1", ["/no/such/haproxy"], os.environ))


async def test_the_death_of_one_ends_the_others() -> None:
    pids: list[int] = []

    async def scene(children: Children) -> None:
        pids.append(await until_ready(children, READY + "time.sleep(60)"))
        await children.start("other", ["/no/such/program"], os.environ)

    with pytest.raises(ChildDiedError):
        await hold(scene)
    assert not is_alive(pids[0])


async def test_an_error_in_the_block_comes_out_as_it_is_and_nothing_is_left() -> None:
    pids: list[int] = []

    async def scene(children: Children) -> None:
        pids.append(await until_ready(children, READY + "time.sleep(60)"))
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await hold(scene)
    assert not is_alive(pids[0])


async def test_a_child_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haproxy_telemetry.demo.children.STOP_SECONDS", 0.1)
    async with supervised() as children:
        stubborn = "import signal; signal.signal(15, signal.SIG_IGN); " + READY + "time.sleep(60)"
        pid = await until_ready(children, stubborn)
    wait_gone([pid])


async def test_children_are_not_in_the_group_that_ctrl_c_reaches() -> None:
    async with supervised() as children:
        pid = await until_ready(children, READY + "time.sleep(60)")
        assert os.getpgid(pid) == pid != os.getpgrp()


async def test_a_line_without_end_does_not_fill_the_memory() -> None:
    program = "print('x' * 1_000_000); " + READY + "time.sleep(60)"
    async with asyncio.timeout(20), supervised() as children:
        child = await children.start("child", [PYTHON, "-c", program], os.environ)
        while "ready" not in child.tail:
            await asyncio.sleep(0.01)
        assert max(len(line) for line in child.tail) <= 500


LISTEN = "import socket, sys, time; one = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"


@pytest.mark.parametrize("taken", [False, True], ids=["nobody", "another program"])
async def test_a_child_that_never_listens_is_an_error_that_names_the_port(taken: bool) -> None:
    """The port was free when it was chosen; if another program takes it, the child has not begun either."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        if taken:
            other.listen()

        async def scene(children: Children) -> None:
            child = await children.start("agent", [PYTHON, "-c", READY + "time.sleep(60)"], os.environ)
            await wait_listening(child, port, 0.3)

        with pytest.raises(StartTimeoutError, match=f"agent did not listen on 127.0.0.1:{port}"):
            await hold(scene)


@pytest.mark.parametrize("shell", [[], ["sh", "-c", '"$@"; true', "sh"]], ids=["itself", "a process of its own"])
async def test_a_child_that_listens_has_begun(shell: list[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    async with asyncio.timeout(20), supervised() as children:
        child = await children.start("agent", [*shell, PYTHON, "-c", LISTEN, str(port)], os.environ)
        await wait_listening(child, port, 20)


def test_where_it_cannot_be_known_a_listener_passes_for_the_child(tmp_path: Path) -> None:
    assert listens(os.getpgrp(), 1, tmp_path)
    assert not listens(os.getpgrp(), 1)


def test_a_killed_parent_leaves_no_child() -> None:
    program = (
        "import asyncio, os, sys\n"
        "from haproxy_telemetry.demo.children import supervised\n"
        "async def main():\n"
        "    async with supervised() as children:\n"
        f"        child = await children.start('child', [{PYTHON!r}, '-c', {READY + 'time.sleep(60)'!r}], os.environ)\n"
        "        while 'ready' not in child.tail: await asyncio.sleep(0.01)\n"
        "        print(child.process.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([PYTHON, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    wait_gone([pid])


def test_the_launcher_does_not_outlive_a_parent_that_is_gone_before_it_began() -> None:
    command = [PYTHON, "-m", "haproxy_telemetry.launch", "1", PYTHON, "-c", "print('alive')"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the parent is gone" in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "[ALERT]    (9) : Binding [haproxy.cfg:44] for frontend traced: cannot bind socket (Address already in use)",
        "OSError: [Errno 98] Address already in use",
        'level=error msg="cannot listen" error="[Errno 98] ... address already in use"',
    ],
)
def test_a_port_that_somebody_else_took_is_recognized(line: str) -> None:
    assert ChildDiedError("haproxy-1", 1, [line]).port_taken


async def test_an_agent_that_finds_its_port_taken_is_recognized() -> None:
    """Seen once between two programs that started at the same time: its words are its own, not the system's."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        agent = [PYTHON, "-m", "haproxy_telemetry", "serve", "--admin", "off"]
        listen = ["--listen", f"127.0.0.1:{taken.getsockname()[1]}"]
        with pytest.raises(ChildDiedError) as caught:
            await hold(lambda children: children.start("agent", [*agent, *listen], os.environ))
    assert caught.value.port_taken, caught.value
