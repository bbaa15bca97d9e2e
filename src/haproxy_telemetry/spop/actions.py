"""The payload of ACK: what HAProxy is to do with its variables (SPOE.txt 3.4), both ways.

HAProxy puts its ``var-prefix`` before the name (``set-var`` of "b" in scope TXN gives ``txn.<prefix>.b``),
ignores names that its configuration does not mention, and applies what stands before a malformed action.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from .errors import BadField, TruncatedFrame, UnknownType
from .messages import parse_string
from .values import Value, parse_value, serialize_string, serialize_value

SET_VAR: Final = 1
UNSET_VAR: Final = 2


class Scope(IntEnum):
    """How long a variable lives in HAProxy."""

    PROC = 0
    SESS = 1
    TXN = 2
    REQ = 3
    RES = 4


class SetVar(NamedTuple):
    """Give a variable a value; NULL unsets it."""

    scope: Scope
    name: bytes
    value: Value


class UnsetVar(NamedTuple):
    """Take a variable away."""

    scope: Scope
    name: bytes


Action: TypeAlias = SetVar | UnsetVar

HARMLESS_ACTION: Final = UnsetVar(Scope.TXN, b"_none")
"""Put in an ACK that has no other: HAProxy 3.1.0 loses an ACK without actions and lets the stream wait the
whole ``timeout processing``. No configuration names this variable, and every version ignores that."""


_SET_VAR_HEADS: Final = tuple(bytes((SET_VAR, 3, scope)) for scope in range(5))
_UNSET_VAR_HEADS: Final = tuple(bytes((UNSET_VAR, 2, scope)) for scope in range(5))


def serialize_action(action: Action) -> bytes:
    """Return one action. Raises ValueError for an int of more than 64 bits."""
    if isinstance(action, SetVar):
        scope, name, value = action
        return _SET_VAR_HEADS[scope] + serialize_string(name) + serialize_value(value)
    return _UNSET_VAR_HEADS[action.scope] + serialize_string(action.name)


HARMLESS: Final = serialize_action(HARMLESS_ACTION)


def serialize_actions(actions: Sequence[Action]) -> bytes:
    """Return a LIST-OF-ACTIONS."""
    return b"".join([serialize_action(action) for action in actions])


def fit_actions(actions: bytes, room: int) -> tuple[bytes, int]:
    """Return what of a LIST-OF-ACTIONS fits in ``room`` bytes, and how many trailing actions were left out.

    Only trailing ones: actions are applied in order, and leaving out one in the middle could change what
    a later one means. Where none is left, HARMLESS_ACTION stands in, which fits every frame.
    """
    pos = fits = left_out = 0
    while pos < len(actions):
        _, pos = parse_action(actions, pos)
        if pos <= room:
            fits = pos
        else:
            left_out += 1
    return actions[:fits] or HARMLESS, left_out


def count_actions(actions: bytes) -> int:
    """Return how many actions a list has."""
    return len(parse_actions(actions, 0))


def parse_actions(data: bytes, pos: int) -> list[Action]:
    """Parse LIST-OF-ACTIONS from ``pos`` to the end of ``data``, as HAProxy reads what an agent sends.

    Raises InvalidFrame, or IndexError where ``data`` ends too early.
    """
    actions: list[Action] = []
    end = len(data)
    while pos < end:
        action, pos = parse_action(data, pos)
        actions.append(action)
    if pos != end:
        raise TruncatedFrame(end)
    return actions


def parse_action(data: bytes, pos: int) -> tuple[Action, int]:
    """Return the action at ``pos`` and the position after it, which is past the end if it was cut short."""
    kind = data[pos]
    if kind != SET_VAR and kind != UNSET_VAR:
        raise UnknownType("action", kind)
    _expect_arguments(data[pos + 1], 3 if kind == SET_VAR else 2)
    scope = _scope(data[pos + 2])
    name, pos = parse_string(data, pos + 3)
    if kind == UNSET_VAR:
        return UnsetVar(scope, name), pos
    value, pos = parse_value(data, pos)
    return SetVar(scope, name, value), pos


def _expect_arguments(found: int, expected: int) -> None:
    if found != expected:
        raise BadField("NB-ARGS", found, str(expected))


def _scope(number: int) -> Scope:
    if number > Scope.RES:
        raise UnknownType("scope", number)
    return Scope(number)
