"""Imports point one way: what a part may know is written down here, and nothing else may be imported."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "haproxy_telemetry"

# A part, and the parts of this package that it may import. In the order of the tree: nobody imports upwards.
MAY_IMPORT = {
    "stats": set[str](),
    "clock": set[str](),
    "logs": set[str](),
    "stderr": {"stats"},
    "acktimes": set[str](),
    "framecounts": set[str](),
    "native": set[str](),
    "spop": {"native"},
    "plain": {"native"},
    "sampling": {"native", "plain"},
    "trace": {"native", "plain", "stats", "sampling"},
    "taps": {"trace"},
    "dialect": {"native", "spop", "trace"},
    "settings": set[str](),
    "metrics": {"stats", "trace"},
    "otlp": {"stats", "logs", "trace", "metrics"},
    "exporters": {"stats", "logs", "trace", "metrics", "otlp"},
    "otelfile": {"otlp", "settings"},
    "propagation": {"settings", "trace"},
    "records": {"trace"},
    "engines": {"stats", "logs"},
    "faults": set[str](),
    "seen": set[str](),
    "agent": {
        "native",
        "engines",
        "faults",
        "seen",
        "taps",
        "spop",
        "dialect",
        "records",
        "trace",
        "sampling",
        "metrics",
        "exporters",
        "stats",
        "logs",
    },
    "recorder": {"records", "spop", "stats"},
    "session": {"agent", "engines", "spop", "faults"},
    "conversation": {"native", "recorder", "session", "acktimes", "agent", "clock", "turn"},
    "turn": set[str](),
    "turnloop": {"turn"},
    "server": {"recorder", "conversation", "agent", "settings", "clock", "logs", "stats", "turnloop"},
    "recordserver": {"recorder", "server", "settings", "clock", "logs", "stats"},
    "own": {"acktimes", "framecounts", "metrics", "otlp", "stats"},
    "admin": {"metrics", "otlp", "own", "settings", "engines", "faults", "seen", "spop", "stats", "taps", "trace"},
    "totals": {"framecounts", "logs"},
    "reload": {"logs", "sampling", "settings", "stats"},
    "conventions": {"settings", "trace"},
    "launch": set[str](),
    "viewerchild": {"logs", "settings", "stats"},
    "place": {
        "admin",
        "agent",
        "clock",
        "exporters",
        "logs",
        "recordserver",
        "server",
        "settings",
        "stats",
        "stderr",
        "totals",
        "viewerchild",
        "recorder",
    },
    "service": {
        "place",
        "totals",
        "recorder",
        "admin",
        "reload",
        "conventions",
        "server",
        "agent",
        "exporters",
        "propagation",
        "settings",
        "spop",
        "sampling",
        "trace",
        "clock",
        "logs",
        "stats",
        "stderr",
        "own",
        "turnloop",
    },
    "replay": {"agent", "recorder", "session", "settings", "spop"},
    "workers": {
        "recorder",
        "acktimes",
        "admin",
        "agent",
        "clock",
        "conventions",
        "engines",
        "exporters",
        "faults",
        "launch",
        "logs",
        "metrics",
        "otlp",
        "own",
        "place",
        "records",
        "recordserver",
        "reload",
        "sampling",
        "seen",
        "server",
        "service",
        "settings",
        "stats",
        "stderr",
        "taps",
        "totals",
        "trace",
        "viewerchild",
    },
    "haproxyconfig": {"settings", "sampling"},
    "haproxyprogram": set[str](),
    "doctor": {"spop", "settings", "otlp", "haproxyconfig", "haproxyprogram", "records"},
    "viewer": {"logs", "otlp"},
    "terminal": set[str](),
    "watch": {"terminal"},
    "demo": {"viewer", "terminal", "logs", "settings", "haproxyconfig", "haproxyprogram"},
    "cli": {
        "replay",
        "stats",
        "trace",
        "recorder",
        "terminal",
        "watch",
        "conventions",
        "settings",
        "sampling",
        "reload",
        "propagation",
        "service",
        "workers",
        "spop",
        "demo",
        "viewer",
        "haproxyconfig",
        "haproxyprogram",
        "doctor",
        "exporters",
        "otelfile",
        "otlp",
        "logs",
    },
    "__main__": {"cli"},
}

# Sockets, clocks, loops and chance have no place in these: what they need of them comes in as an argument.
PURE = [
    "spop",
    "trace",
    "sampling",
    "dialect",
    "records",
    "agent",
    "engines",
    "faults",
    "seen",
    "admin/tail",
    "session",
    "acktimes",
    "framecounts",
    "own",
    "admin/chain",
    "admin/guard",
    "admin/status",
    "admin/vitals",
    "otlp/encode",
    "otlp/encode_metrics",
    "otlp/encode_logs",
    "metrics/points",
    "metrics/instruments",
    "metrics/catalog",
    "metrics/prometheus",
    "otlp/batch",
    "otlp/retry",
    "otlp/protobuf",
]
PURE += ["haproxyconfig", "terminal/waterfall", "terminal/records", "terminal/otlpjson"]
PURE += ["recorder/capture", "recorder/cutting", "recorder/pieces", "recorder/redact"]
PURE += ["replay/script", "replay/answers", "replay/core"]
PURE += [f"workers/{name}" for name in ("backoff", "dispatch", "messages", "picture", "share", "sums")]
PURE += ["watch/events", "watch/choose", "watch/settle"]
IMPURE_MODULES = {"socket", "asyncio", "time", "threading", "selectors", "urllib3", "http", "subprocess", "os"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Absolute names of all modules that a file imports."""
    names: set[str] = set()
    package = ["haproxy_telemetry", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_part_imports_only_what_it_may_know(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        return
    parts = {name.split(".")[1] for name in imported(path) if name.startswith("haproxy_telemetry.")}
    known = {name for name in parts if name in MAY_IMPORT}
    assert known <= MAY_IMPORT[part] | {part}


def test_no_two_parts_know_each_other() -> None:
    for part, known in MAY_IMPORT.items():
        for other in known:
            assert part not in MAY_IMPORT[other], f"{part} and {other}"


@pytest.mark.parametrize("pure", PURE)
def test_pure_parts_have_no_socket_no_clock_and_no_loop(pure: str) -> None:
    root = PACKAGE / pure
    files = sorted(root.rglob("*.py")) if root.is_dir() else [root.with_suffix(".py")]
    assert files
    for path in files:
        tops = {name.split(".")[0] for name in imported(path)}
        assert not tops & IMPURE_MODULES, path
