"""Who reads the pages may be anybody: slow, loud, many. The next one gets its answer all the same."""

from __future__ import annotations

import random
import time

import pytest

from haproxy_telemetry.admin import listener
from haproxy_telemetry.admin.listener import MAX_CONNECTIONS, MAX_HEAD

from .pages import World, ask, connect, rest_of, served


def test_a_head_that_is_too_large_gets_431() -> None:
    with served(World()) as address:
        with connect(address) as sock:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 2 * MAX_HEAD)
            assert rest_of(sock).startswith(b"HTTP/1.1 431 ")
        assert ask(address, "/readyz")[0] == 200


@pytest.mark.parametrize("head", [b"", b"GET", b"GET / HTTP/2", b"\x16\x03\x01", b"GET x HTTP/1.1", b"GET  / HTTP/1.1"])
def test_what_is_no_request_gets_400(head: bytes) -> None:
    with served(World()) as address, connect(address) as sock:
        sock.sendall(head + b"\r\n\r\n")
        assert rest_of(sock).startswith(b"HTTP/1.1 400 ")


def test_who_sends_byte_by_byte_is_let_go_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HEAD_S", 0.2)
    with served(World()) as address, connect(address) as sock:
        ended = False
        for _ in range(400):
            try:
                sock.send(b"G")
            except OSError:
                ended = True
                break
            time.sleep(0.01)
        assert ended


def test_who_does_not_take_the_answer_is_let_go_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "ANSWER_S", 0.2)
    monkeypatch.setattr(listener, "LINGER_S", 0.2)
    with served(World()) as address, connect(address) as silent:
        silent.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert ask(address, "/readyz")[0] == 200
        time.sleep(0.5)
        assert ask(address, "/readyz")[0] == 200


def test_many_that_say_nothing_do_not_keep_a_health_check_out() -> None:
    with served(World()) as address:
        idle = [connect(address) for _ in range(3 * MAX_CONNECTIONS)]
        assert ask(address, "/readyz")[0] == 200
        assert idle[0].recv(1) == b""  # the oldest had to go
        for sock in idle:
            sock.close()


def test_any_bytes_get_an_answer_or_an_end() -> None:
    chance = random.Random(4)
    with served(World()) as address:
        for _ in range(50):
            with connect(address) as sock:
                sock.sendall(b"GET /metrics" + chance.randbytes(chance.randrange(200)) + b"\r\n\r\n")
                assert rest_of(sock).startswith(b"HTTP/1.1 4")
        assert ask(address, "/metrics")[0] == 200


def test_nothing_of_a_request_comes_back() -> None:
    with served(World()) as address:
        for path, accept in (("/marked", "x"), ("/metrics", "application/openmetrics-text;version=marked")):
            _, fields, body = ask(address, path, accept=accept)
            assert "marked" not in str(fields)
            assert b"marked" not in body
