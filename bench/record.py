"""Writes the files of frames anew: `python -m bench.record`. Needs HAProxy 2.8, which may send all eight events.

seed comes from the capture in tests/golden; the others are one request to a HAProxy that is started for it, with the
record that came of it where the scenario has one.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from haproxy_versions import discover

from bench.processes import LOOPBACK, Process, free_port
from bench.proxies import write_example
from bench.scenarios import COMPACT, DETAILED, RECORDED, SCENARIOS, SEED, write_frames
from haproxy_telemetry.spop import HARMLESS_ACTION, AgentConnection, Notified

ROOT = Path(__file__).resolve().parent.parent
CAPTURE = ROOT / "tests" / "golden" / "2.6.12" / "seed-chain-7001-ok.jsonl"
PATH = "/api/v1/orders/1234567?expand=items"
NOTIFY = 3
NUMBERS = (rb'"t0":"([0-9]+)"', rb'"t1":"([0-9]+)"', rb'"cp":"([0-9]+)"')
"""What differs from record to record beside ids: times, and the client's port."""

SPOE = """\
[otel]
spoe-agent otel
    messages opentracing:request opentracing:response
    option var-prefix otel
    timeout processing 1s
    timeout hello 1s
    timeout idle 20s
    use-backend otel-agents

spoe-message opentracing:request
    args id=unique-id traceparent=req.fhdr(traceparent)
    args span=str("HTTP request")
    args   tag=str("client.address") src tag=str("http.request.method") method tag=str("url.path") path
    args   tag=str("server.address") req.fhdr(host) tag=str("haproxy.frontend.name") fe_name
    args   tag=str("server.port") dst_port tag=str("network.protocol.version") req.ver
    args   tag=str("user_agent.original") req.fhdr(user-agent)
    args span=str("Server session") child-of=str("HTTP request")
    args   tag=str("span.kind") str("client")
    event on-frontend-http-request

spoe-message opentracing:response
    args id=unique-id
    args span=str("HTTP request") tag=str("http.response.status_code") status
    args span=str("Server session") tag=str("http.response.status_code") status
    args   tag=str("haproxy.backend.name") be_name tag=str("haproxy.server.name") srv_name
    args finish=str("*")
    event on-http-response
"""


def frames_of(data: bytes) -> Iterator[bytes]:
    """Yield the frames of whole bytes, each without its length."""
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : end]
        at = end


def payload_of(frame: bytes) -> bytes:
    """Return what follows the head and the two ids of a frame whose ids are below 240."""
    assert frame[5] < 240
    assert frame[6] < 240
    return frame[7:]


def from_capture() -> str:
    """Return the frames of haproxy-1, the first of the two that the capture has."""
    frames = [bytes.fromhex(line["hex"])[4:] for line in map(json.loads, CAPTURE.open()) if line["direction"] == "H>A"]
    payloads = [payload_of(frame) for frame in frames if frame[0] == NOTIFY]
    first = re.search(rb"\x02id\x08\x29(.{41})", payloads[0])
    assert first is not None
    return write_frames([first[1].decode()], [payload for payload in payloads if first[1] in payload])


def from_haproxy(folder: Path, profile: str, spoe: str | None = None, *, with_record: bool = False) -> str:
    """Return the frames of one request, with the files of a profile or with ``spoe`` in place of that for SPOE."""
    version = next(v for v in discover().versions if v.name == "2.8")
    came: list[bytes] = []
    record = b""
    with socket.create_server((LOOPBACK, 0)) as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as records:
        threading.Thread(target=_answer_all, args=(listener, came), daemon=True).start()
        agent, front = f"{LOOPBACK}:{listener.getsockname()[1]}", free_port()
        records.bind((LOOPBACK, 0))
        records.settimeout(10)
        port, extra = records.getsockname()[1], ["--no-cache"] if profile == "detailed" else []
        write_example(folder, version, profile, agent=agent, records=port, front=front, extra=extra)
        if spoe is not None:
            (folder / "spoe-otel.cfg").write_text(spoe)
        with Process("haproxy", [*version.command, "-db", "-f", "haproxy.cfg"], folder) as haproxy:
            haproxy.wait_listening(front)
            request = urllib.request.Request(f"http://{LOOPBACK}:{front}{PATH}", headers={"user-agent": "wrk/4.1.0"})
            urllib.request.urlopen(request, timeout=10).read()
            record = records.recv(65536) if with_record else b""
    payloads = [payload_of(frame) for frame in came]
    text = b"".join([*payloads, record])
    values = [match[0].decode() for match in [re.search(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text)] if match]
    if context := re.search(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-01", text):
        values += [context[1].decode(), context[2].decode()]
    values += [match[1].decode() for match in [re.search(key, record) for key in NUMBERS] if match]
    return write_frames(values, payloads, record)


def _answer_all(listener: socket.socket, came: list[bytes]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection, came), daemon=True).start()


def _answer(connection: socket.socket, came: list[bytes]) -> None:
    agent = AgentConnection()
    try:
        while not agent.closed and (data := connection.recv(65536)):
            came += [frame for frame in frames_of(data) if frame[0] == NOTIFY]
            for event in agent.receive_data(data):
                if isinstance(event, Notified):
                    agent.acknowledge(event, [HARMLESS_ACTION])
            connection.sendall(agent.data_to_send())
    except ConnectionError:
        return


def main() -> None:
    """Record all scenarios."""
    SEED.path.write_text(from_capture())
    for scenario, spoe in ((COMPACT, SPOE), (DETAILED, None)):
        with tempfile.TemporaryDirectory() as folder:
            scenario.path.write_text(from_haproxy(Path(folder), "detailed", spoe))
    for scenario in RECORDED:
        with tempfile.TemporaryDirectory() as folder:
            scenario.path.write_text(from_haproxy(Path(folder), scenario.name, with_record=True))
    subprocess.run(["wc", "-c", *(scenario.path for scenario in (*SCENARIOS, *RECORDED))], check=True)


if __name__ == "__main__":
    main()
