"""Frames by type are those of the captures, and those that the agent wrote: counted here from the bytes."""

from __future__ import annotations

from collections import Counter

import pytest
from recorder import GOLDEN, VERSIONS, Recorder, from_haproxy

from haproxy_telemetry.framecounts import complete

NAMES = {
    0: "UNSET", 1: "HAPROXY-HELLO", 2: "HAPROXY-DISCONNECT", 3: "NOTIFY",
    101: "AGENT-HELLO", 102: "AGENT-DISCONNECT", 103: "ACK",
}  # fmt: skip


def types(data: bytes) -> list[str]:
    """The types of the frames in some bytes."""
    found = []
    while data:
        size = int.from_bytes(data[:4], "big")
        if data[4] in NAMES:
            found.append(NAMES[data[4]])
        data = data[4 + size :]
    return found


def scenarios(version: str) -> list[str]:
    return sorted(path.stem for path in (GOLDEN / version).glob("*.jsonl"))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_frame_of_every_capture_is_counted_by_its_type(version: str) -> None:
    seen = Counter[str]()
    for scenario in scenarios(version):
        recorder, frames = Recorder(), Counter[str]()
        for connection, data in from_haproxy(version, scenario):
            before = connection in recorder.sessions and recorder.sessions[connection].closed
            frames.update([] if before else types(data))
            frames.update(types(recorder.receive(connection, data)))
        for session in recorder.sessions.values():
            frames.update(types(session.disconnect()))
        counted = {reason: n for (what, reason), n in complete(recorder.stats.snapshot()).items() if what == "frames"}
        assert {label: n for label, n in counted.items() if n} == dict(frames), scenario
        seen += frames
    assert set(seen) >= {"HAPROXY-HELLO", "AGENT-HELLO", "NOTIFY", "ACK", "AGENT-DISCONNECT", "HAPROXY-DISCONNECT"}
    assert ("UNSET" in seen) is (version < "3.1")
