"""Plays a script through an agent in this process, by the capture's own clock. Pure.

No socket and no waiting: every frame comes at the moment at which it came, so that spans are as long as they were, and
the same capture gives the same trace again but for the ids that the agent makes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from haproxy_telemetry.agent import Agent
from haproxy_telemetry.recorder.cutting import Cutter
from haproxy_telemetry.replay.answers import Answers
from haproxy_telemetry.replay.script import Await, Record, Script, Send
from haproxy_telemetry.session import Session

TICK_NS: Final = 50_000_000
"""As often as the agent's clock does for ``records.grace``."""

AFTERWARDS_NS: Final = 60_000_000_000
"""So long time goes on after the last step: longer than any grace."""

_LARGEST: Final = 64 << 20


def play(script: Script, agent: Agent, epoch_ns: int, after: Callable[[], None] = lambda: None) -> Answers:
    """Take all steps, ``after`` is called when traces may have left. What has not ended by then leaves incomplete."""
    answers, sessions = Answers(), dict[str, Session]()
    now = ticked = epoch_ns
    for step in script.steps:
        if isinstance(step, Await):
            continue
        now = max(now, epoch_ns + int(step.at_ms * 1e6))
        while ticked + TICK_NS < now:
            ticked = max(ticked + TICK_NS, now - AFTERWARDS_NS)
            agent.tick(ticked)
            after()
        if isinstance(step, Send):
            _send(step, agent, sessions, answers, now)
        elif isinstance(step, Record):
            answers.records += 1
            agent.take_records(step.data, now)
        else:
            _lose(step.connection, sessions)
        after()
    agent.tick(now + AFTERWARDS_NS)
    agent.close(now + AFTERWARDS_NS)
    after()
    return answers


def _send(step: Send, agent: Agent, sessions: dict[str, Session], answers: Answers, now: int) -> None:
    if step.hello:
        _lose(step.connection, sessions)
        sessions[step.connection] = Session(agent, f"capture:{step.connection}")
        answers.connections += 1
    session = sessions.get(step.connection)
    if session is None or session.closed:
        answers.unsent += step.ids is not None
        return
    if step.ids is not None:
        answers.notified(step.ids)
    for frame in Cutter(_LARGEST).feed(session.receive(step.data, now)):
        answers.take(step.connection, frame)
    agent.carry_out()


def _lose(connection: str, sessions: dict[str, Session]) -> None:
    session = sessions.pop(connection, None)
    if session is not None:
        session.lost()
