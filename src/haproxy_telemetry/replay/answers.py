"""What the agent answered while a capture was played. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from haproxy_telemetry.replay.script import Ids
from haproxy_telemetry.spop import SpopError, describe_status
from haproxy_telemetry.spop.frames import FrameType, frame_label, parse_header
from haproxy_telemetry.spop.handshake import parse_disconnect


@dataclass(slots=True)
class Answers:
    """Counts, and which NOTIFYs wait for their ACK. ``unsent``: their connection had ended before."""

    connections: int = 0
    hellos: int = 0
    sent: int = 0
    acked: int = 0
    records: int = 0
    records_left_out: int = 0
    unsent: int = 0
    waiting: Counter[Ids] = field(default_factory=Counter)
    disconnects: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)

    def notified(self, ids: Ids) -> None:
        """A NOTIFY, or its last piece, was sent."""
        self.sent += 1
        self.waiting[ids] += 1

    def take(self, connection: str, frame: bytes) -> None:
        """Take a frame of the agent, without its length field."""
        if frame[:1] == bytes((FrameType.ACK,)):
            header = parse_header(frame)
            ids = Ids(connection, header.stream_id, header.frame_id)
            if self.waiting[ids] > 0:
                self.waiting[ids] -= 1
                self.acked += 1
            else:
                self.others["ACK that nobody waits for"] += 1
        elif frame[:1] == bytes((FrameType.AGENT_HELLO,)):
            self.hellos += 1
        elif frame[:1] == bytes((FrameType.AGENT_DISCONNECT,)):
            self.disconnects[_goodbye(frame)] += 1
        else:
            self.others[frame_label(frame[0]) if frame else "a frame of 0 bytes"] += 1

    @property
    def missing(self) -> int:
        """How many NOTIFYs were not ACKed, or could not even be sent."""
        return sum(self.waiting.values()) + self.unsent

    def lines(self) -> list[str]:
        """Say what was answered."""
        lines = [f"{self.sent} NOTIFY frames over {self.connections} connections, {self.acked} ACKed"]
        if self.records:
            lines.append(f"{self.records} records")
        if self.records_left_out:
            lines.append(f"{self.records_left_out} records left out: say where they go with --records-to udp:HOST:PORT")
        lines += [f"AGENT-DISCONNECT {reason}: {count}" for reason, count in self.disconnects.items()]
        lines += [f"{what}: {count}" for what, count in self.others.items()]
        if self.unsent:
            lines.append(f"{self.unsent} NOTIFY frames could not be sent: their connection had ended")
        if sum(self.waiting.values()):
            waiting = [ids for ids, count in self.waiting.items() if count]
            some = ", ".join(f"{c} stream {s} frame {f}" for c, s, f in waiting[:5])
            lines.append(f"{sum(self.waiting.values())} NOTIFY frames were not ACKed: {some}")
        return lines


def _goodbye(frame: bytes) -> str:
    try:
        goodbye = parse_disconnect(frame, parse_header(frame).payload_at)
    except (IndexError, SpopError):
        return "that cannot be read"
    return f"{int(goodbye.status)} ({describe_status(goodbye.status)})"
