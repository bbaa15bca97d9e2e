"""HAProxy as a program of this machine: where it is installed, and what it says when it is asked.

What the answer means is for who asks: ``haproxyconfig`` knows versions, ``doctor`` the words of ``haproxy -c``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

SECONDS: Final = 15.0
"""For any answer: a large configuration is read in less."""

_FOLDERS: Final = ("/usr/local/sbin", "/usr/sbin")
"""Debian's PATH of a person does not lead there."""


class NoAnswerError(Exception):
    """HAProxy did not answer; the text says why."""


def installed(environ: Mapping[str, str]) -> str | None:
    """Return the path of the installed HAProxy."""
    return shutil.which("haproxy", path=os.pathsep.join([environ.get("PATH", os.defpath), *_FOLDERS]))


def ask(command: Sequence[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run it to its end, within :data:`SECONDS`; raise :class:`NoAnswerError`."""
    try:
        return subprocess.run(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except OSError as error:
        raise NoAnswerError(f"{command[0]} cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise NoAnswerError(f"{' '.join(command)} gave no answer in {SECONDS:.0f} s") from error
