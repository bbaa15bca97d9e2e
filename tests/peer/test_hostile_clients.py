"""What a client that means harm sends, through a real HAProxy and past it: no series too many, no broken line.

The worst configuration there is stands before it: one that makes the raw path the route, and so a label.
"""

from __future__ import annotations

import json
import random
import socket
from collections import Counter
from pathlib import Path

from haproxy_versions import HaproxyVersion

from otlp.receiver import receiving
from peer.conftest import StartAgent, StartHaproxy
from peer.http_client import request
from peer.origin import Origin
from peer.processes import LOOPBACK, PATIENCE, wait_until
from peer.test_generated import Running
from peer.test_traffic_metrics import agent_with_records, judge_page, page
from peer.tracing_agent import TracingAgent

NUMBER = 120
MOST = 20
"""Series of one metric."""

COUNT = "http_server_request_duration_seconds_count"


def hostile(chance: random.Random) -> bytes:
    """A request: a random method and path, control characters, bytes that are no UTF-8, now and then 20 kB."""

    def noise(alphabet: bytes, most: int) -> bytes:
        return bytes(chance.choices(alphabet, k=chance.randint(1, most)))

    method = chance.choice([b"GET", b"get", noise(b"ABCXYZ-_!~", 30), noise(bytes(range(1, 256)), 12)])
    path = b"/" + chance.choice([noise(b"abc/%?&=;{}\"'\\#", 60), noise(bytes(range(33, 256)), 60), b"x" * 6000])
    version = chance.choice([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9.9", b"HTTP/" + noise(bytes(range(33, 256)), 4)])
    fields = [
        b"host: " + chance.choice([b"h", noise(bytes(range(128, 256)), 30), noise(b'h"\\\x01\x1f\x7f', 9)]),
        b"user-agent: " + noise(bytes([*range(1, 10), *range(14, 256)]), 200),
        b"x-big: " + b"w" * chance.choice([1, 20_000]),
        b"traceparent: " + noise(b'0123456789abcdef-"\\', 60),
    ]
    return method + b" " + path + b" " + version + b"\r\n" + b"\r\n".join(fields) + b"\r\n\r\n"


def send(port: int, data: bytes) -> int:
    """Return the status, 0 where HAProxy gave none."""
    with socket.create_connection((LOOPBACK, port), PATIENCE) as connection:
        try:
            connection.sendall(data)
            answer = connection.recv(100)
        except (ConnectionResetError, BrokenPipeError):  # it has seen enough
            return 0
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


def forged(chance: random.Random, number: int) -> bytes:
    """A record that HAProxy never wrote: every name another one, with quotes, line ends and controls."""
    name = f'"\\\n\r\t\u0001\u2028{chance.random()}'
    return json.dumps({
        "ht": 1, "id": f"{name}{number}", "up": name, "t1": "1700000000000000", "T": ["0", "0", "0", "0", "1", "1"],
        "st": str(chance.randrange(1000)), "tc": "----", "fe": name, "be": name, "srv": name, "ci": name, "cp": "1",
        "si": name, "sp": "1", "B": "1", "U": "1", "rc": "0", "m": name, "v": name, "uri": name, "host": name,
        "ua": name, "err": str(chance.randrange(1 << 31)), "held": "1", "svc": name,
    }).encode()  # fmt: skip


def in_all(agent: TracingAgent) -> int:
    """The sum over all series."""
    return int(sum(number for _, number in page(agent).get(COUNT, ())))


def bounded(agent: TracingAgent, series: int) -> None:
    """No metric has more series than it may; and both formats are as Prometheus wants them."""
    found = page(agent)
    assert len(found[COUNT]) == series
    for name, samples in found.items():
        if name.startswith(("http_", "haproxy_")) and name.endswith("_count") and "telemetry" not in name:
            assert len(samples) <= MOST, name
    assert len(found["haproxy_telemetry_records_dropped_total"]) < 10
    judge_page(agent)


def test_a_hostile_client_neither_makes_more_series_than_there_may_be_nor_breaks_a_line(
    start_haproxy: StartHaproxy, start_agent: StartAgent, version: HaproxyVersion, origin: Origin, tmp_path: Path
) -> None:
    chance = random.Random(7)
    (tmp_path / "agent.toml").write_text(f"[metrics]\nmax_series = {MOST}\n")
    with receiving() as sink:
        endpoint = f"http://{LOOPBACK}:{sink.server_port}"
        agent, records = agent_with_records(start_agent, endpoint, "--config", str(tmp_path / "agent.toml"))
        running = Running(
            start_haproxy, version, origin,
            profile="standard", agents=[f"{LOOPBACK}:{agent.port}"], records=records, processing="1s",
            tags='tag=str("http.route") path',
        )  # fmt: skip
        wait_until(lambda: agent.totals().get("health_checks", 0) > 0, "a health check")
        answers = Counter(send(running.port, hostile(chance)) for _ in range(NUMBER))
        assert len(answers) > 2, "HAProxy lets some through, and refuses others"
        for number in range(MOST * 2):  # these reach the metrics for certain, each with a route of its own
            assert request(running.port, f"/{number}").status == 200
        answered = answers.total() - answers[0] + MOST * 2
        wait_until(lambda: in_all(agent) >= answered, "all that was answered")
        bounded(agent, MOST)
        past_haproxy(agent, records, chance)
        bounded(agent, MOST)
        assert agent.stop() == 0
        assert "haproxy.sent.size" in sink.metrics
        assert all(len(metric.histogram.data_points) <= MOST for metric in sink.metrics.values())


def past_haproxy(agent: TracingAgent, records: str, chance: random.Random) -> None:
    """Who reaches the port of the records may write there what he likes."""
    host, _, port = records.removeprefix("udp:").rpartition(":")
    before = agent.totals()["records"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for number in range(NUMBER):
            peer.sendto(forged(chance, number), (host, int(port)))
            peer.sendto(chance.randbytes(200), (host, int(port)))
            if number % 20 == 19:  # as fast as they are taken, so that none is lost
                wait_until(lambda: agent.totals()["records"] > before + number - 1, "the forged records")  # noqa: B023
    wait_until(lambda: in_all(agent) >= before + NUMBER, "their measurements")
