"""One connection that HAProxy opened to the agent, as a pure object: bytes in, events out, bytes to send.

The contract of whoever drives it (``docs/spop.md`` has a whole program):

1. give every chunk that the socket yields to ``receive_data``, and look at the events in order;
2. give every ``Notified`` to ``acknowledge``, once, as soon as possible: HAProxy holds a stream for it;
3. send what ``data_to_send`` returns; ACKs go out before a DISCONNECT, whatever caused it;
4. when ``closed`` is true, close the socket after that.

End of file and a reset need no call: HAProxy ends connections that way (3.1 and later always), and a closed
connection says nothing about the streams whose events it carried.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .actions import HARMLESS, Action, count_actions, fit_actions, serialize_actions
from .errors import (
    BadField,
    FragmentationRefused,
    FrameTooBig,
    MisorderedFrame,
    MisuseError,
    NotSpop,
    SpopError,
    TooMuchHeld,
    TruncatedFrame,
)
from .events import Aborted, Connected, Disconnected, Event, Failed, HealthChecked, Notified, Skipped
from .fragments import Fragments
from .frames import (
    ABORT,
    FIN,
    LENGTH_SIZE,
    FrameType,
    Header,
    frame_label,
    parse_header,
    payload_position,
    serialize_ids,
)
from .handshake import (
    ASYNC,
    DEFAULT_CAPABILITIES,
    FRAGMENTATION,
    agreed_capabilities,
    agreed_frame_size,
    parse_disconnect,
    parse_hello,
    serialize_agent_disconnect,
    serialize_agent_hello,
)
from .limits import Limits
from .messages import parse_messages
from .shapes import ShapeTable
from .states import FINAL, TRANSITIONS, State, Step
from .status import StatusCode, describe_status

_FRAME_TYPES: Final = {int(frame_type): frame_type for frame_type in FrameType}
_CONNECTED: Final = State.CONNECTED
_WHOLE_NOTIFY: Final = b"\x03\x00\x00\x00\x01"
"""Type NOTIFY and FIN: how nearly every frame begins, so one comparison of a slice finds the hot path."""

_ACK_FLAGS: Final = b"\x67\x00\x00\x00\x01"
"""Type ACK and FIN: HAProxy takes no ACK in pieces (DISCONNECT 10 up to 3.0, a reset from 3.1 on)."""
_ACK_HEAD_SIZE: Final = 5
_ACK_HEADS: Final = tuple(size.to_bytes(LENGTH_SIZE, "big") + _ACK_FLAGS for size in range(512))
"""Length, type and flags of every ACK of usual size, by that size."""


class AgentConnection:
    """The agent's end of one connection. Not for use from two threads at once."""

    def __init__(
        self,
        limits: Limits | None = None,
        capabilities: Sequence[bytes] = DEFAULT_CAPABILITIES,
        shapes: ShapeTable | None = None,
    ) -> None:
        if ASYNC in capabilities:
            raise ValueError("async cannot be offered: every ACK leaves on the connection of its NOTIFY")
        self.limits: Final = limits or Limits()
        self.capabilities: tuple[bytes, ...] = tuple(capabilities)
        """Offered; after the HELLO, those announced."""
        self.max_frame_size = self.limits.hello_size
        """Of frames in both directions, without their length field; the agreed one after the HELLO."""
        self.state = State.WAITING
        self.closed = False
        """Nothing more is read: send what ``data_to_send`` returns, then close the socket."""
        self.seldom: dict[FrameType, int] = {}
        """Frames of each type, both ways, beside one NOTIFY and one ACK for every ``Notified``."""
        self.shapes: Final = shapes if shapes is not None else ShapeTable()
        """What payloads are recognised by; connections may share one."""
        self._held = bytearray()
        self._wanted = 0
        self._fragments = Fragments(self.limits)
        self._in_flight: dict[bytes, Notified] = {}
        self._superseded: list[Notified] = []
        self._frames_in_flight: Final = self.limits.frames_in_flight
        self._out: list[bytes] = []
        self._farewell = b""

    @property
    def frames_in_flight(self) -> int:
        """How many NOTIFY frames wait for ``acknowledge``."""
        return len(self._in_flight) + len(self._superseded)

    # Receiving

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """Take bytes as they came, in any chunking, and return what they complete.

        Never raises for what the peer sent: a fault is the event ``Failed``, after the events before it, and
        ``closed`` is true from then on. ``data`` is copied where it is not ``bytes``, so a view of a buffer
        that is used again is fine. Keeps at most one unfinished frame, ``max_frame_size`` bytes.
        """
        if self.closed:
            return []
        if self._held:
            self._held += data
            if len(self._held) < self._wanted:
                return []
            data = bytes(self._held)
            self._held.clear()
        elif not isinstance(data, bytes):
            data = bytes(data)
        events: list[Event] = []
        try:
            self._receive_frames(data, events)
        except SpopError as error:
            events.append(self._fail(error))
        return events

    def _receive_frames(self, data: bytes, events: list[Event]) -> None:
        """Cut ``data`` into frames, handle each, keep what is left of the last."""
        pos, end = 0, len(data)
        while end - pos >= LENGTH_SIZE:
            start = pos + LENGTH_SIZE
            size = data[pos] << 24 | data[pos + 1] << 16 | data[pos + 2] << 8 | data[pos + 3]
            if size > self.max_frame_size:
                error = self._too_big(data[pos:start], size)
                error.culprit = data[start:]
                raise error
            if end - start < size:
                break
            pos = start + size
            try:
                event = self._receive_frame(data[start:pos])
            except IndexError:
                # The one place where a read past the end of a frame becomes our error (see varint.py).
                cut = TruncatedFrame(size)
                cut.culprit = data[start:pos]
                raise cut from None
            except SpopError as error:
                error.culprit = data[start:pos]
                raise
            if event is not None:
                events.append(event)
            if self.closed:
                return
        if pos < end:
            self._hold(data, pos)

    def _too_big(self, length: bytes, size: int) -> SpopError:
        """Say what a frame is that is above the limit: the first one may be no frame at all."""
        if self.state is State.WAITING and length[0] != 0:
            return NotSpop(length)
        return FrameTooBig(size, self.max_frame_size)

    def _hold(self, data: bytes, pos: int) -> None:
        """Keep the unfinished frame at ``pos``; do not look again before it, or its length, is complete."""
        self._held += data[pos:]
        self._wanted = LENGTH_SIZE
        if len(self._held) >= LENGTH_SIZE:
            self._wanted += int.from_bytes(self._held[:LENGTH_SIZE], "big")

    def _receive_frame(self, frame: bytes) -> Event | None:
        """Handle one frame, without its length field; None while it is one of several pieces."""
        if frame[:5] == _WHOLE_NOTIFY and self.state is _CONNECTED:
            return self._notified(frame)
        frame_type = _FRAME_TYPES.get(frame[0])
        if frame_type is None:
            return self._skip(frame[0])
        return self._receive_seldom(frame_type, frame)

    def _receive_seldom(self, frame_type: FrameType, frame: bytes) -> Event | None:
        """Handle everything but a NOTIFY that is whole in one frame."""
        self._count_frame(frame_type)
        if (self.state, frame_type) not in TRANSITIONS:
            raise MisorderedFrame(frame_type.label, self.state.value)
        header = parse_header(frame)
        if frame_type in (FrameType.NOTIFY, FrameType.UNSET):
            return self._fragment(header, frame)
        self._check_control(frame_type, header)
        if frame_type is FrameType.HAPROXY_HELLO:
            return self._greet(frame, header.payload_at)
        return self._part(frame, header.payload_at)

    def _check_control(self, frame_type: FrameType, header: Header) -> None:
        """HELLO and DISCONNECT are one frame each, outside of any stream (SPOE.txt 3.2.4, 3.2.8)."""
        if not header.flags & FIN:
            raise FragmentationRefused(frame_type.label)
        if header.stream_id or header.frame_id:
            found = f"stream {header.stream_id} frame {header.frame_id}"
            raise BadField(f"ids of {frame_type.label}", found, "both 0")

    def _skip(self, frame_type: int) -> Event:
        if (self.state, Step.UNKNOWN_FRAME) not in TRANSITIONS:
            raise MisorderedFrame(frame_label(frame_type), self.state.value)
        return Skipped(frame_type, "unknown frame type")

    def _count_frame(self, frame_type: FrameType, number: int = 1) -> None:
        """Note a frame that is not one of the usual pair. The pairs cost nothing: their ``Notified`` counts them."""
        self.seldom[frame_type] = self.seldom.get(frame_type, 0) + number

    # HELLO and DISCONNECT

    def _greet(self, frame: bytes, pos: int) -> Event:
        """Answer HAPROXY-HELLO."""
        hello = parse_hello(frame, pos)
        self.max_frame_size = agreed_frame_size(hello, self.limits)
        self.capabilities = agreed_capabilities(hello, self.capabilities)
        self._out.append(serialize_agent_hello(self.max_frame_size, self.capabilities))
        self._count_frame(FrameType.AGENT_HELLO)
        self._move(Step.HEALTH_CHECK if hello.healthcheck else FrameType.HAPROXY_HELLO)
        return HealthChecked(hello) if hello.healthcheck else Connected(hello)

    def _part(self, frame: bytes, pos: int) -> Event:
        """Answer HAPROXY-DISCONNECT, as SPOE.txt 3.2.8 asks for, and be done."""
        goodbye = parse_disconnect(frame, pos)
        self._leave(FrameType.HAPROXY_DISCONNECT, StatusCode.NORMAL)
        return Disconnected(goodbye.status, goodbye.message)

    def _fail(self, error: SpopError) -> Event:
        self._leave(Step.FAULT, error.status)
        return Failed(error)

    def _leave(self, step: FrameType | Step, status: int, message: bytes = b"") -> None:
        """End the connection by ``step``; the DISCONNECT waits for the ACKs of what came before it."""
        self._farewell = serialize_agent_disconnect(status, message or describe_status(status).encode())
        self._move(step)

    def _move(self, step: FrameType | Step) -> None:
        """Take a step of the table: the only place that changes the state."""
        self.state = TRANSITIONS[self.state, step]
        if self.state in FINAL:
            self.closed = True
            self._held.clear()
            self._fragments.clear()

    # NOTIFY

    def _notified(self, frame: bytes) -> Event:
        """Report a NOTIFY that is whole in one frame."""
        payload_at = payload_position(frame)
        if self._fragments.frames:
            header = parse_header(frame)
            self._fragments.check_free((header.stream_id, header.frame_id))
        event = Notified(frame[5:payload_at], None, len(frame), frame, payload_at)
        self._recognise(event)
        self._expect_ack(event)
        return event

    def _recognise(self, event: Notified) -> None:
        """Read what differs, where the rest of the payload is known; else the messages, now, with all their faults."""
        near = self.shapes.near(event.data, event.payload_at)
        if event.is_one_of(near):
            return
        alike = self.shapes.find(event.data, event.payload_at)
        if alike is None or alike is near or not event.is_one_of(alike):
            event.read()

    def _expect_ack(self, event: Notified) -> None:
        """Note that HAProxy waits for the ACK of a NOTIFY."""
        in_flight = self._in_flight
        if len(in_flight) + len(self._superseded) >= self._frames_in_flight:
            raise TooMuchHeld("frames_in_flight", self._frames_in_flight)
        before = in_flight.setdefault(event.ids, event)
        if before is not event:
            # The stream waited ``timeout processing`` for us in vain; with ``option continue-on-error`` HAProxy
            # up to 3.0 gives its next event the same ids (captures err-late700ms-cont).
            self._superseded.append(before)
            in_flight[event.ids] = event

    def _fragment(self, header: Header, frame: bytes) -> Event | None:
        """Take a NOTIFY without FIN, or an UNSET."""
        if FRAGMENTATION not in self.capabilities:
            raise FragmentationRefused(frame_label(header.type))
        ids = (header.stream_id, header.frame_id)
        if header.flags & ABORT:
            self._fragments.take(ids)
            return Aborted(ids[0], ids[1])
        payload = frame[header.payload_at :]
        if header.type == FrameType.NOTIFY:
            self._fragments.begin(ids, payload, len(frame))
        else:
            self._fragments.add(ids, payload, len(frame))
        if not header.flags & FIN:
            return None
        whole, size = self._fragments.take(ids)
        self._count_frame(FrameType.NOTIFY, -1)  # its first piece was counted, and from here on it is a usual one
        event = Notified(serialize_ids(ids[0], ids[1]), parse_messages(whole, 0), size, whole, 0)
        self._expect_ack(event)
        return event

    # Sending

    def acknowledge(self, notified: Notified, actions: Sequence[Action] = ()) -> int:
        """Queue the ACK of ``notified`` and return how many trailing actions did not fit in a frame.

        One ACK per NOTIFY, in any order: a second, or one for ids that HAProxy does not wait for, makes it
        reset the connection (3.1 and later), so both are MisuseError here. An empty list is sent as one
        action without effect, because HAProxy 3.1.0 loses an ACK that has none.

        Nothing is queued, and all actions count as left out, where HAProxy would not listen: after the
        DISCONNECT was handed out, and for a NOTIFY whose ids came again because HAProxy gave up waiting (its
        ACK would be taken for that of the second).
        """
        return self.acknowledge_serialized(notified, serialize_actions(actions))

    def acknowledge_serialized(self, notified: Notified, actions: bytes) -> int:
        """Do as :meth:`acknowledge`, with a LIST-OF-ACTIONS that is written already."""
        ids = notified.ids
        waiting = self._in_flight.pop(ids, None)
        if waiting is not notified:
            if waiting is not None:
                self._in_flight[ids] = waiting
            self._forget_superseded(notified)
            self._count_frame(FrameType.ACK, -1)
            return count_actions(actions)
        if self.closed and not self._farewell:
            self._count_frame(FrameType.ACK, -1)
            return count_actions(actions)
        left_out = 0
        if not actions:
            actions = HARMLESS
        elif _ACK_HEAD_SIZE + len(ids) + len(actions) > self.max_frame_size:
            actions, left_out = fit_actions(actions, self.max_frame_size - _ACK_HEAD_SIZE - len(ids))
        self._out.append(b"%b%b%b" % (_ack_head(_ACK_HEAD_SIZE + len(ids) + len(actions)), ids, actions))
        return left_out

    def _forget_superseded(self, notified: Notified) -> None:
        """Take note that a NOTIFY was handled for which HAProxy waits no more."""
        for index, other in enumerate(self._superseded):
            if other is notified:
                del self._superseded[index]
                return
        ids = f"stream {notified.stream_id} frame {notified.frame_id}"
        raise MisuseError(f"{ids} is not waiting for an ACK on this connection")

    def disconnect(self, status: int = StatusCode.NORMAL, message: bytes | str = b"") -> None:
        """Queue AGENT-DISCONNECT and be ``closed``; without effect if the connection is over already.

        Acknowledge what is in flight before sending: HAProxy makes a stream that gets no ACK wait. A message
        is cut to 160 bytes; without one, the text of ``status`` is sent.
        """
        if not self.closed:
            self._leave(Step.LEAVE, status, message.encode() if isinstance(message, str) else message)

    def data_to_send(self) -> bytes:
        """Return everything queued since the last call, b"" if nothing is; a DISCONNECT comes last."""
        if self._farewell:
            self._out.append(self._farewell)
            self._count_frame(FrameType.AGENT_DISCONNECT)
            self._farewell = b""
        out = self._out
        if not out:
            return b""
        self._out = []
        return out[0] if len(out) == 1 else b"".join(out)


def _ack_head(size: int) -> bytes:
    """Return length, type and flags of an ACK of ``size`` bytes after the length field."""
    if size < len(_ACK_HEADS):
        return _ACK_HEADS[size]
    return size.to_bytes(LENGTH_SIZE, "big") + _ACK_FLAGS
