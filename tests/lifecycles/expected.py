"""What each stream of each scenario must leave behind: the table that the test run is held against, as data.

A stream is said once, for all versions and profiles; what differs somewhere stands behind it with its reason, and
the reason is printed on the page.
"""

from __future__ import annotations

from typing import Final, NamedTuple

AT_CLIENT: Final = "client"
AT_ORIGIN: Final = "origin"

NO_TRACE: Final = "no trace"
INCOMPLETE: Final = "incomplete"
WHOLE: Final = ""


class Life(NamedTuple):
    """What is expected of one stream.

    ``client``: the status that the client gets (0: none); ``logged``: the one on the SERVER span, if another (0:
    none); ``error``: its error.type; ``tried``: there is a CLIENT span; ``ends``: who sees the end.
    """

    client: int
    state: str
    error: str = ""
    tried: bool = True
    logged: int | None = None
    ends: str = AT_CLIENT
    remains: str = WHOLE

    @property
    def status(self) -> int:
        return self.client if self.logged is None else self.logged


class Elsewhere(NamedTuple):
    """Another expectation for some versions (first and last, both included) and profiles, and why.

    Several lives: HAProxy does now the one and now the other.
    """

    why: str
    lives: tuple[Life, ...]
    first: tuple[int, int] = (0, 0)
    last: tuple[int, int] = (99, 0)
    profiles: tuple[str, ...] = ("detailed", "standard", "zero-wait")


class Expected(NamedTuple):
    """One stream: its life, and where it is another one. The first that applies counts."""

    life: Life
    elsewhere: tuple[Elsewhere, ...] = ()

    def at(self, version: tuple[int, int], profile: str) -> tuple[tuple[Life, ...], str]:
        """Return the lives that are right there, and the reason if they are not the usual one."""
        for other in self.elsewhere:
            if other.first <= version <= other.last and profile in other.profiles:
                return other.lives, other.why
        return (self.life,), ""


def _answered(status: int) -> Expected:
    return Expected(Life(status, "----", str(status) if status >= 500 else ""))


def _by_haproxy(status: int, state: str, error: str = "") -> Expected:
    return Expected(Life(status, state, error, tried=False))


def _gone(life: Life, state: str = "") -> Expected:
    """The client leaves before there is an answer: HAProxy logs a status that nobody gets, 2.6 logs none."""
    old = life._replace(state=state or life.state, logged=0)
    return Expected(life, (Elsewhere(_NO_STATUS, (old,), last=(2, 6)),))


def _unheard(client: int, state: str) -> Expected:
    """What ends before it is a request: a record without an id."""
    error = {"C": "client_abort", "c": "client_timeout"}.get(state[0], "")
    return Expected(Life(client, state, error, False, _LOGGED[state]))


_LOGGED = {"CR--": 400, "cR--": 408, "PR--": 400}
_NO_STATUS = "HAProxy 2.6 logs no status where nobody got one; later ones log their own 400, which nobody got either"
_UNSEEN = (
    "without `option abortonclose` HAProxy does not look for it: it notices at the reset, or only when the answer"
    " comes, and the span ends then (3.3 and later look by default)"
)
_SILENT = (
    "HAProxy closes without an answer, so that the client asks again, and writes no log line: in `zero-wait` there"
    " is no trace, in the others it ends by its TTL, as incomplete. From 3.1 on `config --no-own-log` has a record for"
    " it, too"
)
_MONITOR = (
    "`monitor-uri` is answered without a log line: nothing is told, but in `detailed` two events come before the"
    " answer, and their trace ends by its TTL, as incomplete (use `http-request return` instead)"
)
_ABORT = Life(0, "CD--", "client_abort", logged=400)
_NOTHING = Life(0, "", tried=False, remains=NO_TRACE)
_TRACELESS = ("zero-wait",)
_TOLD = ("detailed", "standard")


def _silent(first: tuple[int, int], last: tuple[int, int] = (99, 0), *or_else: Life) -> tuple[Elsewhere, ...]:
    """In these versions; ``or_else``: the life in later releases of them (3.1.0, 3.3.0 and 3.4.0 are silent)."""
    silent = Life(0, "", tried=False, logged=0, remains=INCOMPLETE)
    return (
        Elsewhere(_SILENT, (silent, *or_else), first, last, _TOLD),
        Elsewhere(_SILENT, (silent._replace(remains=NO_TRACE), *or_else), first, last, _TRACELESS),
    )


_BROKEN_OFF = Life(0, "SD--", "server_abort", logged=0)
_UNANSWERED = Life(502, "SH--", "server_abort")

EXPECTED: dict[str, tuple[Expected, ...]] = {
    "get": (_answered(200),),
    "post": (_answered(200),),
    "slow-body": (_answered(200),),
    "wait-for-body": (_answered(200),),
    "100-continue": (_answered(200),),
    "103": (_answered(200),),
    "head": (_answered(200),),
    "options": (_answered(200),),
    "204": (_answered(204),),
    "404": (_answered(404),),
    "500": (_answered(500),),
    "ruled": (_answered(200),),
    "keep-alive": (_answered(200), _answered(404), _answered(200)),
    "pipelined": (_answered(200), _answered(200)),
    "h2": (_answered(200), _answered(200), _answered(404)),
    "h2-reset": (Expected(Life(200, "CD--", "client_abort")), _answered(200)),
    "h2-reset-before": (_gone(_ABORT), _answered(200)),
    "streamed": (_answered(200),),
    "streamed-1s": (_answered(200),),
    "upgrade": (_answered(101),),
    "cache": (_answered(200), _by_haproxy(200, "LR--")),
    "stats": (_by_haproxy(200, "LR--"),),
    "monitor": (
        Expected(
            Life(200, "", tried=False, remains=NO_TRACE),
            (
                Elsewhere(
                    _MONITOR, (Life(200, "", tried=False, logged=0, remains=INCOMPLETE),), profiles=("detailed",)
                ),
                Elsewhere(_MONITOR, (Life(200, "", tried=False, remains=NO_TRACE),)),
            ),
        ),
    ),
    "deny": (_by_haproxy(403, "PR--"),),
    "backend-deny": (_by_haproxy(403, "PR--"),),
    "return": (_by_haproxy(200, "LR--"),),
    "redirect": (_by_haproxy(302, "LR--"),),
    "tarpit": (
        Expected(
            Life(500, "PT--", "proxy_denied", tried=False),
            (
                Elsewhere(
                    "HAProxy 2.8 logs `PR--`", (Life(500, "PR--", "proxy_denied", tried=False),), (2, 8), (2, 8)
                ),
            ),
        ),
    ),
    "reject": (_by_haproxy(0, "PR--"),),
    "silent-drop": (_by_haproxy(0, "PR--"),),
    "response-deny": (Expected(Life(502, "PH--", "response_blocked")),),
    "no-server": (_by_haproxy(503, "SC--", "no_server"),),
    "refused": (Expected(Life(503, "SC--", "connect_error")),),
    "retry": (_answered(200),),
    "connect-timeout": (Expected(Life(503, "sC--", "connect_timeout")),),
    "queue-timeout": (_answered(200), _by_haproxy(503, "sQ--", "queue_timeout")),
    "server-timeout": (Expected(Life(504, "sH--", "server_timeout")),),
    "server-stall": (
        Expected(
            Life(200, "sD--", "server_timeout"),
            (
                Elsewhere(
                    "HAProxy 3.0 logs its own time-out as the client's abort", (Life(200, "CD--", "client_abort"),),
                    (3, 0), (3, 0),
                ),
                Elsewhere(
                    "3.3.0 logs its own time-out as the client's abort",
                    (Life(200, "CD--", "client_abort"), Life(200, "sD--", "server_timeout")),
                    (3, 3), (3, 3),
                ),
            ),
        ),
    ),
    "server-close": (Expected(_UNANSWERED),),
    "server-close-kept": (_answered(200), Expected(_BROKEN_OFF, _silent((2, 6)))),
    "replayed": (_answered(200),),
    "replayed-in-vain": (Expected(_UNANSWERED),),
    "replayed-kept": (
        _answered(200),
        Expected(
            _UNANSWERED,
            (
                *_silent((2, 6), (2, 6)), *_silent((3, 0), (3, 0)),
                *_silent((3, 1), (3, 1), _UNANSWERED), *_silent((3, 3), (3, 4), _UNANSWERED),
            ),
        ),
    ),
    "garbage": (Expected(Life(502, "PH--", "response_blocked")),),
    "server-abort": (Expected(Life(200, "SD--", "server_abort")),),
    "early-answer": (
        Expected(
            Life(200, "CL--", "client_abort"),
            (Elsewhere("HAProxy 2.6 logs `CD--`", (Life(200, "CD--", "client_abort"),), last=(2, 6)),),
        ),
    ),
    "client-abort": (Expected(Life(200, "CD--", "client_abort")),),
    "client-abort-before": (
        Expected(
            _ABORT,
            (
                Elsewhere(
                    _UNSEEN,
                    (_ABORT, _ABORT._replace(logged=0), _ABORT._replace(logged=200, ends=AT_ORIGIN)),
                    last=(3, 2),
                ),
            ),
        ),
    ),
    "client-abort-heeded": (_gone(_ABORT),),
    "client-abort-upload": (_gone(_ABORT._replace(state="CH--"), "CD--"),),
    "client-stall": (Expected(Life(200, "cD--", "client_timeout", ends=AT_ORIGIN)),),
    "listen": (_answered(200),),
    "backend-filter": (_answered(200),),
    "tcp": (Expected(Life(200, "--", logged=0)),),
    "tcp-refused": (Expected(Life(0, "SC", "connect_error")),),
    "connect-only": (Expected(_NOTHING),),
    "half-request": (_unheard(0, "CR--"),),
    "request-timeout": (_unheard(408, "cR--"),),
    "bad-request": (_unheard(400, "PR--"),),
}  # fmt: skip
"""For each scenario its streams, in their order."""
