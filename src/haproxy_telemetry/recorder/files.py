"""The file of a recording, and the one before it (``FILE.1``): together a ring, each half as large."""

from __future__ import annotations

import errno
import fcntl
import os
from io import FileIO
from pathlib import Path
from typing import final

from haproxy_telemetry.recorder.capture import FIRST_BYTES


class NoRecordingError(Exception):
    """A file that cannot be recorded to; says which, and why."""

    def __init__(self, file: Path, reason: str) -> None:
        self.file = file
        super().__init__(f"cannot record to {file}: {reason}")


def before(file: Path) -> Path:
    """Return the path of the file before ``file``."""
    return file.with_name(f"{file.name}.1")


def parts(file: Path) -> list[Path]:
    """Return the files of a recording in the order of time: the one before, if there is one, and the file."""
    older = before(file)
    try:
        return [older, file] if older.is_file() and _is_recording(older) and _is_recording(file) else [file]
    except OSError:
        return [file]


def check_recording(file: Path) -> None:
    """Raise :class:`NoRecordingError` unless ``file`` can be made, or is a recording that may be put aside."""
    try:
        for one in (file, before(file)):
            if one.exists() and not _is_recording(one):
                raise NoRecordingError(one, "it is there, and is no recording; name another file")
        if not file.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "there is no such folder")
        if not os.access(file.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "the folder may not be written to")
    except OSError as error:
        raise NoRecordingError(file, error.strerror or str(error)) from error


def _is_recording(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        first = opened.read(len(FIRST_BYTES))
    return first in (b"", FIRST_BYTES)


@final
class Ring:
    """Writes lines; the file that is full becomes the one before, and the one before that goes.

    Only the owner may read it: it holds what clients sent. What the last run left is put aside first. The file is
    locked while it is written, since a second agent would put it aside from under the first.
    """

    def __init__(self, file: Path, size: int) -> None:
        """Raise :class:`NoRecordingError` if the file may not be put aside, ``OSError`` if none can be made."""
        check_recording(file)
        if file.exists() and _is_locked(file):
            raise NoRecordingError(file, "another agent records to it; name another file")
        self._file = file
        self._half = size // 2
        self._written, self._cut = 0, False
        self._open = self._next()

    @property
    def full(self) -> bool:
        """Whether :meth:`turn` is to be called before more is written."""
        return self._written >= self._half or self._open.closed

    def turn(self) -> None:
        """Put the file aside and begin another; to be tried again after an ``OSError``."""
        self._open.close()
        self._open = self._next()

    def write(self, lines: bytes) -> None:
        """Write; after a disk that was full took a part only, these lines begin on a line of their own."""
        left = memoryview(b"\n" + lines if self._cut else lines)
        while left:
            size = self._open.write(left)
            self._cut = size < len(left)
            self._written += size
            left = left[size:]

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def _next(self) -> FileIO:
        if self._file.exists():
            self._file.replace(before(self._file))
        self._written, self._cut = 0, False
        fd = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fdopen(fd, "wb", buffering=0)


def _is_locked(file: Path) -> bool:
    with file.open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
