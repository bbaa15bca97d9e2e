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
        self._written = 0
        if file.exists():
            file.replace(before(file))
        self._cut = False
        self._open: FileIO = self._new()

    def write(self, lines: bytes) -> bool:
        """Write; return whether a new file was begun, of which these lines are not the first. Raises ``OSError``."""
        self._write_all(b"\n" + lines if self._cut else lines)
        if self._written < self._half:
            return False
        self._open.close()
        self._file.replace(before(self._file))
        self._open = self._new()
        return True

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def _write_all(self, lines: bytes) -> None:
        """Write; if a disk that is full takes a part only, the next lines begin on a line of their own."""
        left = memoryview(lines)
        while left:
            size = self._open.write(left)
            self._cut = size < len(left)
            self._written += size
            left = left[size:]

    def _new(self) -> FileIO:
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
