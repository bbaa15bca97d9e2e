"""Checks of the backend where the agent is: how HAProxy finds out that it is away, and which of several it asks."""

from __future__ import annotations

from collections.abc import Iterator

from haproxy_telemetry.doctor.findings import Seen, error, warning
from haproxy_telemetry.doctor.proxies import Proxy
from haproxy_telemetry.doctor.setup import Setup

AFFINITY = "balance hash thread"
# Balancing that keeps the frames of a stream together; the second group from 3.1 on.
_KEEPS_TOGETHER = ("hash thread", "first")
_KEEPS_TOGETHER_31 = ("hash spoe.engine-id", "hash var(psess.", "hash var(ptxn.")


@error(
    "agent-mode",
    "`mode` of the agent's backend that is wrong for the version",
    "Up to 3.0 it is `mode tcp`; `mode spop` begins with 3.1, which makes it of `mode tcp` by itself.",
)
def agent_mode(setup: Setup) -> Iterator[Seen]:
    """`mode http` on any version, `mode spop` where it is not known."""
    for proxy, _ in setup.agent_backends:
        line = proxy.last("mode")
        if proxy.mode in ("tcp", "spop") and not (proxy.mode == "spop" and setup.before(3, 1)):
            continue
        of = f" on HAProxy {setup.version}" if proxy.mode == "spop" else ""
        yield Seen(
            line.place if line else proxy.place,
            f"{proxy}: mode {proxy.mode} is wrong for the agent's backend{of}",
            "mode tcp   (right for all versions; 3.1 and later make mode spop of it)",
        )


@warning(
    "spop-check-missing",
    "no `option spop-check`",
    "A plain check sees only that something accepts connections; an agent that hangs passes it, and costs every"
    " request `timeout processing`.",
)
def spop_check_missing(setup: Setup) -> Iterator[Seen]:
    """The agent's health is not asked in its own protocol."""
    for proxy, _ in setup.agent_backends:
        if not proxy.option("spop-check"):
            yield Seen(
                proxy.place,
                f"{proxy}: no option spop-check, an agent that hangs is not noticed",
                "option spop-check",
            )


@warning(
    "check-missing",
    "an agent's server without `check`",
    "A dead agent then costs every request the whole `timeout processing`; with a check, a millisecond or two.",
)
def check_missing(setup: Setup) -> Iterator[Seen]:
    """A server that is never taken out."""
    for proxy, _ in setup.agent_backends:
        for server in proxy.servers:
            if "check" not in server.parameters:
                yield Seen(
                    server.place,
                    f"{proxy}: server {server.name} has no check, a dead agent costs each request"
                    " the whole timeout processing",
                    "add: check inter 1s fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down",
                )


@error(
    "agent-affinity-missing",
    "several agents without affinity",
    "The events of one request come over several connections. With round-robin 5 to 20 % of the requests are split"
    " over the agents up to 3.0, and 75 to 100 % from 3.1 on.",
)
def agent_affinity_missing(setup: Setup) -> Iterator[Seen]:
    """More than one server that may be in use at once, and balancing that splits streams."""
    for proxy, _ in setup.agent_backends:
        count = sum(server.count for server in proxy.servers if "backup" not in server.parameters)
        if count > 1 and not _keeps_together(proxy, setup):
            line = proxy.last("balance")
            yield Seen(
                line.place if line else proxy.place,
                f"{proxy}: {count} agents, and the events of one request may go to any of them",
                AFFINITY,
            )


def _keeps_together(proxy: Proxy, setup: Setup) -> bool:
    if any(line.words[0] in ("stick", "use-server") for line in proxy.lines):
        return True  # somebody thought about it
    line = proxy.last("balance")
    method = " ".join(line.words[1:]) if line else "roundrobin"
    return method.startswith(_KEEPS_TOGETHER if setup.before(3, 1) else _KEEPS_TOGETHER + _KEEPS_TOGETHER_31)


@warning(
    "threads-too-few",
    "fewer threads than agents with `balance hash thread`",
    "Each thread has one agent: those beyond the number of threads get nothing.",
)
def threads_too_few(setup: Setup) -> Iterator[Seen]:
    """Agents that never hear anything."""
    line = next(iter(reversed(list(setup.global_lines("nbthread")))), None)
    for proxy, _ in setup.agent_backends:
        balance = proxy.last("balance", "hash", "thread")
        count = sum(server.count for server in proxy.servers)
        if line and balance and line.word(1).isdigit() and int(line.word(1)) < count:
            yield Seen(
                line.place,
                f"{proxy}: {count} agents, but {line.word(1)} threads: some agents are never used",
                f"nbthread {count}",
            )


@warning(
    "server-maxconn",
    "`maxconn` on an agent's server, from 3.1 on",
    "It then limits events instead of connections: requests beyond it are not traced.",
)
def server_maxconn(setup: Setup) -> Iterator[Seen]:
    """A limit that means something else than it did."""
    for proxy, _ in setup.agent_backends:
        for server in proxy.servers:
            if setup.at_least(3, 1) and "maxconn" in server.parameters:
                yield Seen(
                    server.place,
                    f"{proxy}: on HAProxy {setup.version} maxconn of server {server.name} limits events,"
                    " and requests beyond it are not traced",
                    "remove maxconn",
                )


@warning(
    "pool-low-conn-missing",
    "frontends that share an agent without `pool-low-conn`, from 3.1 on",
    "They keep closing each other's idle connections: 80 events took 41 connections instead of 2.",
)
def pool_low_conn_missing(setup: Setup) -> Iterator[Seen]:
    """Several filters on one backend whose idle connections are not kept."""
    for proxy, engines in setup.agent_backends:
        users = [one.proxy for one, engine in setup.ours if engine in engines]
        for server in proxy.servers:
            if setup.at_least(3, 1) and len(users) > 1 and "pool-low-conn" not in server.parameters:
                yield Seen(
                    server.place,
                    f"{proxy}: {', '.join(map(str, users))} share it, and close each other's connections",
                    f"add to server {server.name}: pool-low-conn 20",
                )


CHECKS = (
    agent_mode,
    spop_check_missing,
    check_missing,
    agent_affinity_missing,
    threads_too_few,
    server_maxconn,
    pool_low_conn_missing,
)
