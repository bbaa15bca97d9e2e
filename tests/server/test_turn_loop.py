"""The loop's turns: what is asked for their end comes after all that was ready, and keeps nobody waiting."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

from haproxy_telemetry.turnloop import TurnLoop, running_turn


def run(main: Coroutine[Any, Any, None]) -> list[dict[str, Any]]:
    """Run on a loop of ours; return what its exception handler was told."""
    told: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=TurnLoop) as runner:
        runner.get_loop().set_exception_handler(lambda loop, context: told.append(context))
        runner.run(main)
    return told


def test_the_end_of_a_turn_comes_after_all_that_is_ready_in_it() -> None:
    done: list[str] = []

    async def main() -> None:
        loop, ready = asyncio.get_running_loop(), [socket.socketpair() for _ in range(3)]

        def read(sock: socket.socket, name: str) -> None:
            done.append(f"{name} of {running_turn().ready}")
            sock.recv(1)
            if name == "0":
                running_turn().at_end(lambda: done.append("end"))

        for number, (here, there) in enumerate(ready):
            loop.add_reader(here, read, here, str(number))
            there.send(b"x")
        await asyncio.sleep(0.01)
        for here, there in ready:
            loop.remove_reader(here)
            here.close()
            there.close()

    assert run(main()) == []
    assert done == ["0 of 3", "1 of 3", "2 of 3", "end"]


def test_what_is_begun_at_the_end_of_a_turn_is_not_waited_for() -> None:
    """The loop would sleep by what it knew before: for a minute here."""

    async def main() -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def soon() -> None:
            loop.call_soon(running_turn().at_end, later)

        def later() -> None:
            loop.call_later(0.001, done.set)

        began = loop.time()
        running_turn().at_end(soon)
        async with asyncio.timeout(60):
            await done.wait()
        assert loop.time() - began < 30

    assert run(main()) == []


def test_a_mistake_at_the_end_of_a_turn_is_told_and_ends_nothing() -> None:
    done: list[str] = []

    async def main() -> None:
        def mistake() -> None:
            raise ZeroDivisionError

        running_turn().at_end(mistake)
        running_turn().at_end(lambda: done.append("after"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    [told] = run(main())
    assert isinstance(told["exception"], ZeroDivisionError)
    assert done == ["after"]


async def test_on_another_loop_it_is_a_turn_later() -> None:
    called = asyncio.Event()
    running_turn().at_end(called.set)
    await called.wait()
    assert running_turn().ready == 0


def test_who_is_watched_is_called_at_once_and_those_who_wait_for_asyncio_after_them() -> None:
    done: list[str] = []

    async def main() -> None:
        loop, pairs = asyncio.get_running_loop(), [socket.socketpair() for _ in range(4)]
        assert isinstance(loop, TurnLoop)
        first, second, broken, theirs = [here for here, _ in pairs]

        def read(sock: socket.socket, name: str) -> None:
            done.append(f"{name} of {loop.turn.ready}")
            sock.recv(1)

        def mistake() -> None:
            loop.unwatch(broken.fileno())
            raise ZeroDivisionError

        def ends_another() -> None:
            read(first, "first")
            loop.unwatch(second.fileno())
            running_turn().at_end(lambda: done.append("end"))

        loop.add_reader(theirs, read, theirs, "theirs")
        loop.watch(broken.fileno(), mistake)
        loop.watch(first.fileno(), ends_another)
        loop.watch(second.fileno(), lambda: read(second, "second"))
        for _, there in (pairs[2], pairs[0], pairs[1], pairs[3]):  # epoll gives them in the order in which they came
            there.send(b"x")
        await asyncio.sleep(0.01)
        assert done == ["first of 4", "theirs of 4", "end"]
        loop.remove_reader(theirs)
        loop.unwatch(first.fileno())
        loop.unwatch(first.fileno())
        for pair in pairs:
            for sock in pair:
                sock.close()

    [told] = run(main())
    assert isinstance(told["exception"], ZeroDivisionError)


def test_a_timer_ends_the_wait_for_who_is_watched() -> None:
    async def main() -> None:
        loop, (here, there) = asyncio.get_running_loop(), socket.socketpair()
        assert isinstance(loop, TurnLoop)
        called: list[float] = []

        def ready() -> None:
            here.recv(1)
            called.append(loop.time())

        loop.watch(here.fileno(), ready)
        loop.call_later(0.02, there.send, b"x")
        async with asyncio.timeout(8):
            while not called:
                await asyncio.sleep(0.005)
        loop.unwatch(here.fileno())
        here.close()
        there.close()

    assert run(main()) == []
