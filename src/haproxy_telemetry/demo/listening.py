"""Who listens on a port: a child of ours, or somebody who was faster. From Linux's /proc; elsewhere nobody knows."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_LISTEN = "0A"  # TCP_LISTEN (include/net/tcp_states.h), as /proc/net/tcp writes it
_LOOPBACK = "0100007F"
_ANY = "00000000"


def listens(group: int, port: int, proc: Path = Path("/proc")) -> bool:
    """Say whether a process of the process group listens on 127.0.0.1:``port``; ``True`` where it cannot be known.

    A program with file capabilities does not let its files be seen.
    """
    try:
        table = (proc / "net" / "tcp").read_text()
        wanted = {f"socket:[{inode}]" for inode in _listening(table, port)}
        return any(not wanted.isdisjoint(_open_files(proc, pid)) for pid in _members(proc, group))
    except (FileNotFoundError, PermissionError):
        return True


def _listening(table: str, port: int) -> Iterator[str]:
    """Yield the inodes of the sockets that listen there (proc_net_tcp.txt)."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        address, _, number = fields[1].partition(":")
        if fields[3] == _LISTEN and address in (_LOOPBACK, _ANY) and int(number, 16) == port:
            yield fields[9]


def _members(proc: Path, group: int) -> Iterator[str]:
    for entry in proc.iterdir():
        with contextlib.suppress(ValueError, OSError):
            if os.getpgid(int(entry.name)) == group:
                yield entry.name


def _open_files(proc: Path, pid: str) -> Iterator[str]:
    """Yield what its file descriptors lead to; nothing of a process that has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for entry in (proc / pid / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                yield str(entry.readlink())
