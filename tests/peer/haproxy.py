"""A real HAProxy for one test: its configuration is the test's own text."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from haproxy_versions import HaproxyVersion

from peer.processes import Process, free_port

_BIND = re.compile(r"^\s*bind\s+[\d.]+:(\d+)", re.MULTILINE)


class Haproxy(Process):
    """HAProxy in the foreground. `log stderr format raw local0` puts its log lines into `output`."""

    def __init__(
        self,
        version: HaproxyVersion,
        config: str,
        folder: Path,
        files: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self.folder = Path(folder) / f"haproxy-{free_port()}"
        self.folder.mkdir()
        for name, text in {"haproxy.cfg": config, **(files or {})}.items():
            (self.folder / name).write_text(text)
        super().__init__(
            [*version.command, "-db", "-f", "haproxy.cfg", *arguments], self.folder, f"haproxy-{version.name}", env
        )
        self.wait_listening([int(port) for port in _BIND.findall(config)])

    def stop_softly(self) -> int:
        """Let the requests in flight end first (SIGUSR1)."""
        return self.stop(signal.SIGUSR1)
