"""What runs in the demo, with which environment, and in which order it starts.

The viewer first, then whoever sends to it, HAProxies last: nothing is started before what it needs listens.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from haproxy_telemetry.demo.binary import Haproxy
from haproxy_telemetry.demo.children import Child, Children, wait_listening

START_SECONDS = 20.0  # each; Python needs one or two on a busy machine

HAPROXIES = ("haproxy-1", "haproxy-2")
ORIGIN = "fake-server"

# What a person's environment says about other telemetry, other agents and proxies is not about the demo.
_FOREIGN = ("OTEL_", "HAPROXY_TELEMETRY_")
_FOREIGN_NAMES = {"http_proxy", "https_proxy", "all_proxy"}


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what would change the demo."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(_FOREIGN) and name.lower() not in _FOREIGN_NAMES
    }


def sender_environment(environ: Mapping[str, str], otlp_port: int) -> dict[str, str]:
    """Return the environment of agent and fake server: where OTLP goes, and soon, since somebody is watching."""
    return clean_environment(environ) | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{otlp_port}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }


def agent_environment(environ: Mapping[str, str], otlp_port: int) -> dict[str, str]:
    """Return the agent's: traces that HAProxy never finishes are shown after ten seconds, not five minutes."""
    return sender_environment(environ, otlp_port) | {"HAPROXY_TELEMETRY_TRACE_TTL": "10"}


def haproxy_environment(environ: Mapping[str, str], ports: Mapping[str, int], name: str) -> dict[str, str]:
    """Return the variables of ``haproxy.cfg`` for one of the two."""
    first = name == HAPROXIES[0]
    traced_next = ports["haproxy-2"] if first else ports[ORIGIN]
    plain_next = ports["haproxy-2-plain"] if first else ports[ORIGIN]
    return clean_environment(environ) | {
        "SERVICE_NAME": name,
        "TRACED_PORT": str(ports[name]),
        "PLAIN_PORT": str(ports[f"{name}-plain"]),
        "STATS_PORT": str(ports["stats" if first else "stats-2"]),
        "TRACED_NEXT": f"127.0.0.1:{traced_next}",
        "PLAIN_NEXT": f"127.0.0.1:{plain_next}",
        "AGENT": f"127.0.0.1:{ports['agent']}",
        "RECORDS": f"127.0.0.1:{ports['records']}",
    }


async def start_all(
    children: Children, haproxy: Haproxy, config: Path, ports: Mapping[str, int], environ: Mapping[str, str]
) -> Child:
    """Start everything but the viewer, which listens on ``ports["otlp"]`` already; return the agent."""
    python = [sys.executable, "-P", "-m"]
    ways_in = ["--listen", f"127.0.0.1:{ports['agent']}", "--records", f"udp:127.0.0.1:{ports['records']}"]
    pages = ["--admin", f"127.0.0.1:{ports['pages']}"]
    agent = await children.start(
        "agent",
        [*python, "haproxy_telemetry", "serve", *ways_in, *pages, "--export", "otlp"],
        agent_environment(environ, ports["otlp"]),
    )
    origin = await children.start(
        ORIGIN,
        [*python, "haproxy_telemetry.demo.origin", "--port", str(ports[ORIGIN])],
        sender_environment(environ, ports["otlp"]),
    )
    await wait_listening(agent, ports["agent"], START_SECONDS)
    await wait_listening(origin, ports[ORIGIN], START_SECONDS)
    for name in reversed(HAPROXIES):
        child = await children.start(
            name,
            [haproxy.path, "-db", "-f", str(config)],
            haproxy_environment(environ, ports, name),
        )
        await wait_listening(child, ports[name], START_SECONDS)
    return agent
