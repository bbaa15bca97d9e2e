"""One frame's messages, each to the reader of its family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from haproxy_telemetry.dialect import opentracing, stream
from haproxy_telemetry.spop import Message
from haproxy_telemetry.trace.instructions import Problem, Told


class Translation(NamedTuple):
    """What one frame says."""

    told: list[Told]
    problems: list[Problem]
    skipped_messages: int


def translate(messages: Sequence[Message], strict: bool) -> Translation:
    """Read the messages of one NOTIFY, in their order; messages of other names are skipped.

    ``strict`` is about the ``opentracing:`` language: what cannot be done ends the frame.
    """
    told: list[Told] = []
    problems: list[Problem] = []
    skipped = 0
    for message in messages:
        if message.name.startswith(opentracing.PREFIX):
            reader = opentracing.OpenTracingReader(message.name, strict)
            complete = reader.read(message)
            told.extend(reader.told)
            problems.extend(reader.problems)
            if not complete:
                break
        elif message.name.startswith(stream.PREFIX):
            start = stream.read(message, problems)
            if start is not None:
                told.append(start)
        else:
            skipped += 1
    return Translation(told, problems, skipped)
