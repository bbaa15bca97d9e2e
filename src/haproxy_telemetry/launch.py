"""``python -m haproxy_telemetry.launch PARENT PROGRAM ARGUMENT...``: become PROGRAM, and die with PARENT.

Linux sends the signal when the parent ends, however it ends (prctl(2), PR_SET_PDEATHSIG); the setting survives
the exec. It is made here, in a fresh single-threaded process, since after a fork in the parent itself, which
has threads, hardly anything is safe to do.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Let this process be killed when the parent ends; raise ``SystemExit`` if it has ended already."""
    if sys.platform == "linux":
        # SIGKILL: nobody is left to wait for an orderly end, or to receive what it would flush.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit("the parent is gone")


def main(arguments: list[str]) -> None:
    """Set the signal, and exec."""
    parent, command = int(arguments[0]), arguments[1:]
    die_with(parent)
    try:
        os.execvp(command[0], command)  # noqa: S606 (no shell is wanted)
    except OSError as error:
        raise SystemExit(f"{command[0]}: {error.strerror}") from error


if __name__ == "__main__":
    main(sys.argv[1:])
