"""Every termination state of HAProxy's manual 8.5 has words, a cause and, where it is an error, a type."""

from __future__ import annotations

import itertools

import pytest

from haproxy_telemetry.trace.termination import FIRST, NORMAL, SECOND, decode_termination

# HAProxy's own alphabets (sess_term_cond and sess_fin_state in its log.c, 2.6 to 3.5).
CONDITIONS = "-LcCsSPRIDKU"
STATES = "-RCHDLQT"

CAUSES = {
    "-": b"",
    "L": b"proxy",
    "c": b"client",
    "C": b"client",
    "s": b"server",
    "S": b"server",
    "P": b"proxy",
    "R": b"proxy",
    "I": b"proxy",
    "D": b"server",
    "K": b"proxy",
    "U": b"proxy",
}
ERROR_TYPES = {
    b"active_server_up",
    b"client_abort",
    b"client_timeout",
    b"connect_error",
    b"connect_timeout",
    b"internal_error",
    b"killed",
    b"proxy_denied",
    b"proxy_error",
    b"queue_timeout",
    b"resource_exhausted",
    b"response_blocked",
    b"server_abort",
    b"server_down",
    b"server_timeout",
}


def test_the_table_has_haproxys_alphabets() -> None:
    assert {code.decode() for code in FIRST} == set(CONDITIONS)
    assert {code.decode() for code in SECOND} == set(STATES)


@pytest.mark.parametrize("code", ["".join(pair) for pair in itertools.product(CONDITIONS, STATES)])
def test_every_pair_has_words_a_cause_and_a_type(code: str) -> None:
    meaning = decode_termination(code.encode())
    assert meaning.words
    assert b"not known" not in meaning.words
    assert meaning.cause == CAUSES[code[0]]
    if code[0] in "-L":
        assert meaning.error_type == b""
    else:
        assert meaning.error_type in ERROR_TYPES


def test_every_type_comes_of_some_pair() -> None:
    pairs = itertools.product(CONDITIONS, STATES)
    assert {decode_termination("".join(pair).encode()).error_type for pair in pairs} == ERROR_TYPES | {b""}


@pytest.mark.parametrize(
    ("code", "error_type"),
    [
        ("--", ""),
        ("CC", "client_abort"),
        ("CD", "client_abort"),
        ("CH", "client_abort"),
        ("CL", "client_abort"),
        ("CQ", "client_abort"),
        ("CR", "client_abort"),
        ("CT", "client_abort"),
        ("cD", "client_timeout"),
        ("cH", "client_timeout"),
        ("cR", "client_timeout"),
        ("LC", ""),
        ("LH", ""),
        ("LR", ""),
        ("SC", "connect_error"),
        ("SD", "server_abort"),
        ("SH", "server_abort"),
        ("sC", "connect_timeout"),
        ("sD", "server_timeout"),
        ("sH", "server_timeout"),
        ("sQ", "queue_timeout"),
        ("PC", "resource_exhausted"),
        ("PD", "proxy_error"),
        ("PH", "response_blocked"),
        ("PR", "proxy_denied"),
        ("PT", "proxy_denied"),
        ("RC", "resource_exhausted"),
        ("DD", "server_down"),
        ("KD", "killed"),
        ("UD", "active_server_up"),
        ("IH", "internal_error"),
    ],
)
def test_the_pairs_that_are_seen(code: str, error_type: str) -> None:
    assert decode_termination(code.encode()).error_type == error_type.encode()


def test_the_cookie_characters_do_not_matter() -> None:
    assert decode_termination(b"SHVN") == decode_termination(b"SH--") == decode_termination(b"SH")
    assert decode_termination(b"----") == NORMAL


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (b"XD", b"the stream ended for a reason that is not known here (X) while data was being transferred"),
        (b"CX", b"the client closed the connection in a state that is not known here (X)"),
        (b"\xff\n", b"a reason that is not known here (\\xff) in a state that is not known here (\\n)"),
        (b"", b"not known"),
        (b"C", b"not known"),
    ],
)
def test_a_code_that_a_later_haproxy_may_add_says_so(code: bytes, words: bytes) -> None:
    meaning = decode_termination(code)
    assert words in meaning.words
    assert meaning.words.isascii()


def test_a_known_cause_in_an_unknown_state_keeps_its_type() -> None:
    assert decode_termination(b"CX").error_type == b"client_abort"
    assert decode_termination(b"X-").error_type == b""
