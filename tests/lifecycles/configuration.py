"""The HAProxy of the life cycles: every frontend, rule and backend that a scenario needs, around the lines that trace.

The lines come from whoever uses it: the generator's in the life cycles, a log-format written by hand in the golden
records. Time-outs are short where a scenario waits for them, and long everywhere else, so that a busy machine
changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from peer.processes import LOOPBACK, free_port

TRIES = 3
"""How often each scenario may be run: some need a backend that nobody has used before."""

PORTS = (
    "web", "h2", "impatient", "both", "heedful", "heedful_h2", "bare", "plain", "plain_refused", "closed",
)  # fmt: skip


class Lines(NamedTuple):
    """What is put where: into each frontend of http and of tcp mode, a filter for a backend, and the two ends."""

    http: str
    tcp: str
    http_without_filter: str
    filter: str
    in_global: str = ""
    at_the_end: str = ""


def choose_ports() -> dict[str, int]:
    """Ports for all that HAProxy listens on, and one where nobody does (`closed`)."""
    return {name: free_port() for name in PORTS}


def configuration(lines: Lines, ports: dict[str, int]) -> str:
    """Return the file; ``ports`` also says where the origin is, and a listener whose backlog is `full`."""
    values = {**ports, "host": LOOPBACK, **lines._asdict()}
    numbers = range(1, TRIES + 1)
    return _FILE.format(**values, **_each(numbers, ports)) + lines.at_the_end


def _each(numbers: range, ports: dict[str, int]) -> dict[str, str]:
    """The backends that each run of a scenario has one of."""
    origin, closed = f"{LOOPBACK}:{ports['origin']}", f"{LOOPBACK}:{ports['closed']}"
    return {
        "narrow": "".join(f"backend narrow-{n}\n    server n1 {origin} maxconn 1\n" for n in numbers),
        "retrying": "".join(f"backend retrying-{n}\n    server r1 {closed}\n    server s1 {origin}\n" for n in numbers),
    }


_FILE = """\
global
    {in_global}
    tune.sndbuf.client 65536
    tune.rcvbuf.server 65536
defaults
    mode http
    log global
    option dontlognull
    option redispatch 1
    retries 2
    timeout connect 150ms
    timeout client 5s
    timeout server 5s
    timeout queue 150ms
    timeout tarpit 60ms
    timeout http-request 5s
cache small
    total-max-size 4
frontend web
    bind {host}:{web}
    bind {host}:{h2} proto h2
    option http-no-delay
    monitor-uri /monitor
{http}
    http-request deny if {{ path /deny }}
    http-request return status 200 content-type text/plain string here if {{ path /return }}
    http-request redirect location /elsewhere if {{ path /redirect }}
    http-request tarpit if {{ path /tarpit }}
    http-request reject if {{ path /reject }}
    http-request silent-drop if {{ path /silent-drop }}
    http-request wait-for-body time 1s if {{ path /wait-for-body }}
    http-request set-var(txn.path) path
    http-response deny if {{ var(txn.path) -m str /response-deny }}
    use_backend %[path,field(3,/)] if {{ path_beg /to/ }}
    use_backend %[path,field(3,/)]-%[url_param(try)] if {{ path_beg /each/ }}
    default_backend origin
frontend impatient
    bind {host}:{impatient}
    timeout http-request 200ms
    timeout client 250ms
{http}
    default_backend origin
listen both
    bind {host}:{both}
{http}
    server s1 {host}:{origin}
listen heedful
    bind {host}:{heedful}
    bind {host}:{heedful_h2} proto h2
    option abortonclose
{http}
    server s1 {host}:{origin}
frontend bare
    bind {host}:{bare}
{http_without_filter}
    default_backend filtering
frontend plain
    mode tcp
    bind {host}:{plain}
{tcp}
    default_backend tcp-origin
frontend plain-refused
    mode tcp
    bind {host}:{plain_refused}
{tcp}
    default_backend tcp-refusing
backend origin
    option http-no-delay
    server s1 {host}:{origin}
backend ruled
    tcp-request content accept if TRUE
    http-request set-path /ruled
    http-response set-header x-ruled yes
    server s1 {host}:{origin}
backend denying
    http-request deny
    server s1 {host}:{origin}
backend nobody
backend refusing
    server r1 {host}:{closed}
    server r2 {host}:{closed}
{retrying}backend replaying
    retry-on all-retryable-errors
    http-request set-path /%[path,field(4,/)]
    server s1 {host}:{origin}
backend failing
    http-reuse never
    retry-on all-retryable-errors
    http-request set-path /close
    server s1 {host}:{origin}
backend late
    timeout server 200ms
    http-request set-path /%[path,field(4,/)]
    server s1 {host}:{origin}
backend blackhole
    retries 0
    server full {host}:{full}
{narrow}backend cached
    http-request cache-use small
    http-response cache-store small
    server s1 {host}:{origin}
backend stats
    stats enable
    stats uri /to/stats
backend filtering
    {filter}
    server s1 {host}:{origin}
backend tcp-origin
    mode tcp
    server t1 {host}:{origin}
backend tcp-refusing
    mode tcp
    server r1 {host}:{closed}
"""
