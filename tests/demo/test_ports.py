from __future__ import annotations

import asyncio
import os
import socket

import pytest

from haproxy_telemetry.demo.ports import (
    USUAL_PORTS,
    NoFreePortError,
    choose_ports,
    own_turn,
    port_is_free,
    udp_port_is_free,
)


def test_the_usual_ports_where_they_are_free() -> None:
    assert choose_ports(USUAL_PORTS, lambda _: True) == USUAL_PORTS


def test_a_busy_port_gets_the_next_that_nobody_wants() -> None:
    wanted = {"one": 7001, "two": 7002, "four": 7004}
    assert choose_ports(wanted, lambda port: port not in (7001, 7003)) == {"one": 7005, "two": 7002, "four": 7004}


def test_two_busy_ports_do_not_get_the_same() -> None:
    busy = {7001, 7002}
    assert choose_ports({"one": 7001, "two": 7002}, lambda port: port not in busy) == {"one": 7003, "two": 7004}


def test_no_port_is_an_error_that_says_for_whom() -> None:
    with pytest.raises(NoFreePortError, match="no port is free for agent, from 7000 to 8000"):
        choose_ports({"agent": 7000}, lambda _: False)
    with pytest.raises(NoFreePortError):
        choose_ports({"last": 65535}, lambda _: False)


def test_a_port_is_busy_while_somebody_listens_and_free_afterwards() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.listen()
        assert not port_is_free(port)
        with socket.create_connection(("127.0.0.1", port)) as client:
            served, _ = listener.accept()
            served.close()  # this side closes first: the port lingers in TIME_WAIT
            assert client.recv(1) == b""
    assert port_is_free(port)


def test_a_port_for_datagrams_is_looked_at_by_itself() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        port = receiver.getsockname()[1]
        assert not udp_port_is_free(port)
    assert udp_port_is_free(port)


def test_a_port_of_all_addresses_is_busy_as_well() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        assert not port_is_free(listener.getsockname()[1])


async def test_demos_that_start_together_take_turns() -> None:
    name = f"haproxy-telemetry-test-{os.getpid()}"
    inside, most = 0, 0

    async def demo() -> None:
        nonlocal inside, most
        async with own_turn(10, name):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*[demo() for _ in range(5)])
    assert most == 1


async def test_a_demo_that_never_comes_to_its_end_does_not_stop_the_next() -> None:
    name = f"haproxy-telemetry-test-{os.getpid()}"
    async with asyncio.timeout(10), own_turn(10, name), own_turn(0.01, name):
        pass
