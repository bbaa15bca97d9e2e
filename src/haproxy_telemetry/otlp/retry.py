"""What to do after an attempt to deliver a batch. Pure: time and chance are arguments.

OTLP specification, "OTLP/HTTP Response", "OTLP/gRPC Response" and "Failures": HTTP's 429, 502, 503 and 504, seven of
gRPC's codes and a lost connection are tried again, with exponential backoff and jitter, or when Retry-After or
RetryInfo says; any other refusal is final, and a partial success is never tried again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, TypeAlias

RETRYABLE_STATUSES: Final = frozenset({429, 502, 503, 504})
RETRYABLE_CODES: Final = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
)
RETRYABLE_IF_TOLD: Final = "RESOURCE_EXHAUSTED"  # a quota that is used up comes back only if the receiver says so
MAX_RETRY_AFTER_S: Final = 300.0  # a receiver must not silence the agent for a day by mistake


class Answer(NamedTuple):
    """The receiver answered: the status, its Retry-After header as it came, the body (``None``: it broke off)."""

    status: int
    retry_after: str | None
    body: bytes | None


class GrpcAnswer(NamedTuple):
    """The call ended: gRPC's name of the code, the message for people, the response of a call that was OK.

    ``retry_s`` is the delay of a ``google.rpc.RetryInfo``, ``None`` where there was none. gRPC's own library gives
    UNAVAILABLE and DEADLINE_EXCEEDED also where nobody answered.
    """

    code: str
    message: str
    retry_s: float | None
    body: bytes | None


class NoAnswer(NamedTuple):
    """The connection could not be made, broke, timed out, or carried no HTTP; ``problem`` in words."""

    problem: str


Outcome: TypeAlias = Answer | GrpcAnswer | NoAnswer


class Delivered(NamedTuple):
    """The receiver has the batch; ``body`` may tell of spans that it rejected.

    A body that broke off does not change that: sending again would make every span twice.
    """

    body: bytes | None


class TryAgain(NamedTuple):
    """Wait, then send the same batch again; ``told`` if the receiver named the time."""

    delay_s: float
    told: bool


class GiveUp(NamedTuple):
    """The batch is lost for ``reason``; ``pause_s`` is how long the receiver wants to be left alone."""

    reason: str
    pause_s: float = 0.0


Decision: TypeAlias = Delivered | TryAgain | GiveUp


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Backoff: ``first_s`` doubled by each attempt up to ``most_s``; ``budget_s`` bounds a batch's time in all."""

    first_s: float = 1.0
    most_s: float = 8.0
    budget_s: float = 30.0

    def decide(self, outcome: Outcome, *, attempt: int, elapsed_s: float, wall: float, chance: float) -> Decision:
        """Judge the outcome of attempt number ``attempt`` (the first is 1), ``elapsed_s`` after it all began.

        ``wall`` is the time of day in seconds since the epoch, ``chance`` a random number in [0, 1).
        """
        final = judge(outcome)
        if final is not None:
            return final
        told = _told(outcome, wall) or None  # "at once" is not told: it would be a loop as fast as the network
        # With a time from the receiver never earlier than told, and not all agents at the same moment.
        backoff = self._backoff(attempt) * (0.5 + chance / 2)
        delay = backoff if told is None else told + chance * min(1.0, told / 10)
        if elapsed_s + delay > self.budget_s:
            return GiveUp("retries_exhausted", delay if told is not None else 0.0)
        return TryAgain(delay, told is not None)

    def _backoff(self, attempt: int) -> float:
        step = self.first_s * 2.0 ** min(attempt - 1, 30)
        return step if step < self.most_s else self.most_s


def judge(outcome: Outcome) -> Delivered | GiveUp | None:
    """Return what an outcome comes to unless it may be tried again."""
    if isinstance(outcome, Answer):
        if 200 <= outcome.status < 300:
            return Delivered(outcome.body)
        return None if outcome.status in RETRYABLE_STATUSES else GiveUp(f"http_{outcome.status}")
    if isinstance(outcome, GrpcAnswer):
        if outcome.code == "OK":
            return Delivered(outcome.body)
        told = outcome.code == RETRYABLE_IF_TOLD and outcome.retry_s is not None
        return None if told or outcome.code in RETRYABLE_CODES else GiveUp(f"grpc_{outcome.code.lower()}")
    return None


def _told(outcome: Outcome, wall: float) -> float | None:
    """Return the seconds that the receiver asked for; ``None`` if it did not, or named none."""
    if isinstance(outcome, Answer):
        return parse_retry_after(outcome.retry_after, wall)
    if isinstance(outcome, GrpcAnswer) and outcome.retry_s:
        return min(outcome.retry_s, MAX_RETRY_AFTER_S)
    return None


def parse_retry_after(value: str | None, wall: float) -> float | None:
    """Return the seconds to wait by a Retry-After header (RFC 9110 10.2.3), ``None`` if it says nothing usable."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = float(value[:12])
    else:
        try:
            date = parsedate_to_datetime(value)
            if date.tzinfo is None:
                date = date.replace(tzinfo=UTC)
            seconds = date.timestamp() - wall
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
