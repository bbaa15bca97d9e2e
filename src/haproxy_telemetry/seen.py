"""When something of each kind was last seen on the way of the data, and how often where nobody else counts it.

One store a read or a batch: the event loop writes, the page ``/status`` reads. Times are nanoseconds since the epoch,
0 for never.
"""

from __future__ import annotations

from typing import Final, final

FIELDS: Final = ("connection_ns", "frame_ns", "messages", "messages_ns", "record_ns", "trace_ns", "traces")


@final
class Seen:
    """What has come by: connections that said HELLO, frames, frames that said something, records, traces."""

    __slots__ = FIELDS

    def __init__(self) -> None:
        self.connection_ns = 0
        self.frame_ns = 0
        self.messages = 0
        """Frames of which something was understood."""
        self.messages_ns = 0
        self.record_ns = 0
        self.traces = 0
        """Handed to the export."""
        self.trace_ns = 0
