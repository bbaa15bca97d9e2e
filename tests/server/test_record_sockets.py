"""The datagram sockets: what comes in, what the kernel drops, what is left at the end."""

from __future__ import annotations

import asyncio
import random
import socket
from pathlib import Path

import pytest

from haproxy_telemetry import recordserver
from haproxy_telemetry.agent import Agent
from haproxy_telemetry.clock import Clock
from haproxy_telemetry.recordserver import LARGEST_DATAGRAM, RecordServer
from haproxy_telemetry.server import CannotListenError
from haproxy_telemetry.settings import UdpAddress, UnixAddress
from haproxy_telemetry.spop import Scope
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.assembler import Assembler
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.live import TraceLimits
from kept import Kept
from records.golden import line

RECORD = line("3.2.26", "get")


class Lab:
    """An agent that takes records, and its exporter."""

    def __init__(self) -> None:
        self.stats = Stats()
        self.kept = Kept()
        assembler = Assembler(ids=IdSource(random.Random(1)), stats=self.stats, limits=TraceLimits(grace_ns=1_000_000))
        self.agent = Agent(assembler=assembler, exporter=self.kept, stats=self.stats, scopes=[Scope.TXN])
        self.server = RecordServer(self.agent, Clock())

    def dropped(self, reason: str) -> int:
        return self.stats.get("records_dropped", reason)

    async def traces(self, number: int) -> None:
        async with asyncio.timeout(5):
            while len(self.kept.traces) < number:
                await asyncio.sleep(0.002)
                self.agent.tick(Clock().now())


def numbered(number: int) -> bytes:
    return RECORD.replace(b"61cefd87", b"%08d" % number)


def target(lab: Lab) -> tuple[str, int]:
    host, _, port = lab.server.addresses[0].removeprefix("udp:").rpartition(":")
    return host.strip("[]"), int(port)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_udp(host: str) -> None:
    lab = Lab()
    lab.server.listen(UdpAddress(host, 0))
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(RECORD, target(lab))
        await lab.traces(1)
    lab.server.close()


async def test_a_unix_socket_is_made_and_removed(tmp_path: Path) -> None:
    lab, path = Lab(), tmp_path / "records"
    lab.server.listen(UnixAddress(str(path)))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(RECORD, str(path))
        await lab.traces(1)
    lab.server.close()
    assert not path.exists()


async def test_a_datagram_that_is_cut_is_none_and_the_next_is_whole(tmp_path: Path) -> None:
    lab, path = Lab(), tmp_path / "records"
    lab.server.listen(UnixAddress(str(path)))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for number, size in enumerate((LARGEST_DATAGRAM + 1, LARGEST_DATAGRAM, 0)):
            sender.sendto(numbered(number).ljust(size, b" "), str(path))
        await lab.traces(2)
    lab.server.close()
    assert (lab.dropped("too_long"), lab.stats.get("records")) == (1, 2)


async def test_a_path_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    other, path = Lab(), tmp_path / "records"
    other.server.listen(UnixAddress(str(path)))
    with pytest.raises(
        CannotListenError,
        match="another process listens there; name another with --records, and in HAProxy's `log` line",
    ):
        Lab().server.listen(UnixAddress(str(path)))
    other.server.close()


async def test_what_the_kernel_drops_is_told_even_if_nothing_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordserver, "WANTED_BUFFER", 8192)
    lab = Lab()
    lab.server.listen(UdpAddress("127.0.0.1", 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(300):
            sender.sendto(numbered(number), target(lab))
    await lab.traces(1)
    lab.server.note_drops()
    assert 0 < lab.dropped("kernel") < 300
    assert lab.stats.get("records") + lab.dropped("kernel") == 300
    lab.server.close()


async def test_at_the_end_what_waits_is_taken_or_counted() -> None:
    for seconds, taken in ((5.0, 1000), (0.0, recordserver.BURST)):
        lab = Lab()
        lab.server.listen(UdpAddress("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(1000):
                sender.sendto(numbered(number), target(lab))
        lab.server.close(seconds)
        assert lab.stats.get("records") == taken
        assert lab.dropped("shutdown") == 1000 - taken
