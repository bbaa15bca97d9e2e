"""Actions against what HAProxy was seen to accept (captures err-scopes, err-t-*), and what it was seen to drop."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from haproxy_telemetry.spop import Action, Binary, Int32, Scope, SetVar, Uint32, Uint64, UnsetVar
from haproxy_telemetry.spop.actions import HARMLESS, fit_actions, parse_actions, serialize_action, serialize_actions
from haproxy_telemetry.spop.errors import BadField, InvalidFrame, UnknownType
from spop.captures import VERSIONS, frames_to_haproxy


def first_ack(version: str, scenario: str) -> bytes:
    """The payload of the first ACK in a capture."""
    return next(frame for frame in frames_to_haproxy(version, scenario) if frame[4] == 103)[11:]


# What HAProxy read back from its variables was right for each of these, on every version.
ACCEPTED: dict[str, list[Action]] = {
    "err-scopes": [
        SetVar(Scope.TXN, b"v", b"t"),
        SetVar(Scope.SESS, b"v", b"s"),
        SetVar(Scope.REQ, b"v", b"rq"),
        SetVar(Scope.RES, b"v", b"rs"),
        SetVar(Scope.PROC, b"p", b"proc"),
        SetVar(Scope.TXN, b"w", b"w"),
    ],
    "err-t-true": [SetVar(Scope.TXN, b"v", True)],
    "err-t-int32neg": [SetVar(Scope.TXN, b"v", Int32(-5))],
    "err-t-uint32": [SetVar(Scope.TXN, b"v", Uint32(4_000_000_000))],
    "err-t-int64": [SetVar(Scope.TXN, b"v", 2**40)],
    "err-t-uint64": [SetVar(Scope.TXN, b"v", Uint64(2**64 - 1))],
    "err-t-ipv4": [SetVar(Scope.TXN, b"v", IPv4Address("127.0.0.1"))],
    "err-t-ipv6": [SetVar(Scope.TXN, b"v", IPv6Address("::1"))],
    "err-t-str-empty": [SetVar(Scope.TXN, b"v", b"")],
    "err-t-bin": [SetVar(Scope.TXN, b"v", Binary(b"\x00\x01\xff"))],
    "err-t-null": [SetVar(Scope.TXN, b"v", None)],
    "err-big-ack-10k": [SetVar(Scope.TXN, b"v", b"b" * 10000)],
    "hc-tcp-check": [SetVar(Scope.TXN, b"v", b"ok")],
    "types": [UnsetVar(Scope.TXN, b"z"), UnsetVar(Scope.TXN, b"z")],
    "seed-chain-7001-ok": [],
}


def in_full(actions: list[Action]) -> list[tuple[object, ...]]:
    """With the types, which equality of numbers and bytes passes over."""
    return [(type(action), *action, type(action[-1])) for action in actions]


@pytest.mark.parametrize("scenario", ACCEPTED)
@pytest.mark.parametrize("version", VERSIONS)
def test_bytes_that_haproxy_applied(version: str, scenario: str) -> None:
    payload = first_ack(version, scenario)
    assert in_full(parse_actions(payload, 0)) == in_full(ACCEPTED[scenario])
    assert b"".join(map(serialize_action, ACCEPTED[scenario])) == payload


@pytest.mark.parametrize(
    ("scenario", "error"),
    [
        ("err-t-bad-type12", UnknownType),
        ("err-mal-action9", UnknownType),
        ("err-mal-garbage", UnknownType),
        ("err-scope9", UnknownType),
        ("err-mal-nargs", BadField),
        ("err-mal-trunc", InvalidFrame),
    ],
)
def test_bytes_at_which_haproxy_stopped(scenario: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_actions(first_ack("3.2.0", scenario), 0)


@pytest.mark.parametrize("scope", Scope)
def test_unset_var_in_every_scope(scope: Scope) -> None:
    action = UnsetVar(scope, b"name")
    assert serialize_action(action) == bytes((2, 2, scope, 4)) + b"name"
    assert parse_actions(serialize_action(action), 0) == [action]


def test_what_does_not_fit_is_left_out_from_the_end() -> None:
    first, second, third = (SetVar(Scope.TXN, name, b"x" * 10) for name in (b"a", b"b", b"c"))
    size = len(serialize_action(first))
    assert fit_actions(serialize_actions([first, second, third]), 3 * size) == (
        b"".join(map(serialize_action, [first, second, third])),
        0,
    )
    assert fit_actions(serialize_actions([first, second, third]), 3 * size - 1) == (
        serialize_action(first) + serialize_action(second),
        1,
    )
    assert fit_actions(serialize_actions([first, second, third]), size) == (serialize_action(first), 2)


def test_a_small_action_behind_a_large_one_does_not_overtake_it() -> None:
    large, small = SetVar(Scope.TXN, b"a", b"x" * 300), UnsetVar(Scope.TXN, b"b")
    assert fit_actions(serialize_actions([large, small]), 100) == (HARMLESS, 2)
