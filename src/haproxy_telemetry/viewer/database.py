"""The file under the store: opened, checked, and laid out. A file that is not ours stays as it is.

The tables: a trace is a row of ``traces`` in the order in which traces came, everything else hangs on its number and
goes with it. ``terms`` is the index that a search reads (``terms.py``), ``marks`` are the terms of one span, short.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

APPLICATION_ID: Final = 0x68617456  # "hatV" in the file's header, so that it is known for ours
VERSION: Final = 1

_TABLES: Final = """
CREATE TABLE traces (
    id INTEGER PRIMARY KEY AUTOINCREMENT, trace_id BLOB NOT NULL UNIQUE, came_ns INTEGER NOT NULL,
    start_ns INTEGER NOT NULL, duration_ns INTEGER NOT NULL, spans INTEGER NOT NULL, errors INTEGER NOT NULL,
    incomplete INTEGER NOT NULL, bytes INTEGER NOT NULL, summary TEXT NOT NULL
) STRICT;
CREATE INDEX traces_by_start ON traces (start_ns);
CREATE TABLE origins (id INTEGER PRIMARY KEY, trace INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX origins_by_trace ON origins (trace);
CREATE TABLE spans (
    trace INTEGER NOT NULL, span_id BLOB NOT NULL, parent_id BLOB NOT NULL, service TEXT NOT NULL, name TEXT NOT NULL,
    kind INTEGER NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, error INTEGER NOT NULL,
    incomplete INTEGER NOT NULL, origin INTEGER NOT NULL, marks BLOB NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (trace, span_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE terms (term INTEGER NOT NULL, trace INTEGER NOT NULL, PRIMARY KEY (term, trace)) STRICT, WITHOUT ROWID;
CREATE INDEX terms_by_trace ON terms (trace);
CREATE TABLE services (
    trace INTEGER NOT NULL, name TEXT NOT NULL, spans INTEGER NOT NULL, errors INTEGER NOT NULL,
    PRIMARY KEY (trace, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX services_by_name ON services (name);
CREATE TABLE operations (
    service TEXT NOT NULL, name TEXT NOT NULL, kind INTEGER NOT NULL, trace INTEGER NOT NULL,
    PRIMARY KEY (service, name, kind, trace)
) STRICT, WITHOUT ROWID;
CREATE INDEX operations_by_trace ON operations (trace);
CREATE TABLE calls (
    trace INTEGER NOT NULL, caller TEXT NOT NULL, callee TEXT NOT NULL, calls INTEGER NOT NULL,
    errors INTEGER NOT NULL, PRIMARY KEY (trace, caller, callee)
) STRICT, WITHOUT ROWID;
"""

CHILDREN: Final = ("origins", "spans", "terms", "services", "operations", "calls")


class StoreError(Exception):
    """The store cannot be used: says which file, why, and what to do."""


class Database:
    """Two ways to one database: one writes, the other reads meanwhile. In memory they are one, and take turns."""

    def __init__(self, file: Path | None) -> None:
        """Open ``file``, or make it; ``None`` is memory. Raises :class:`StoreError`."""
        self._lock_file = -1 if file is None else _lock(file)
        try:
            self._writing = _Way(_open(file))
            self._reading = self._writing if file is None else _Way(_open(file))
        except BaseException:
            self._unlock()
            raise

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Hold a transaction: all of it is written, or nothing."""
        with self._writing.lock, self._writing.connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Hold a view of the database that does not change meanwhile."""
        with self._reading.lock, self._reading.connection as connection:
            connection.execute("BEGIN")
            yield connection

    def close(self) -> None:
        """Close everything."""
        for way in {self._writing, self._reading}:
            with way.lock:
                way.connection.close()
        self._unlock()

    def _unlock(self) -> None:
        # Last, since to close any descriptor of the file gives up sqlite's own locks on it.
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1


class _Way:
    """A connection, and the lock that makes it one caller's at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.lock = threading.Lock()


def _lock(file: Path) -> int:
    """Make the file if it is not there, readable by its owner alone; keep other viewers off it."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(
            f"--store {file}: it cannot be opened ({error.strerror}); name a file in a folder that"
            " the viewer may write to"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StoreError(f"--store {file}: another viewer uses it; stop that one, or name another file") from error
    return descriptor


def _open(file: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(file or ":memory:", isolation_level=None, check_same_thread=False, timeout=10.0)
    try:
        _prepare(connection, file)
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(
            f"--store {file}: it is no store of the viewer, or a damaged one ({error}); name another file,"
            " or move this one away"
        ) from error
    except BaseException:
        with suppress(sqlite3.Error):
            connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, file: Path | None) -> None:
    """Look at what is there before anything is changed, then make what is missing."""
    empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    ours, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
    if not empty and ours != APPLICATION_ID:
        raise StoreError(f"--store {file}: it is a database of another program; name another file")
    if not empty and version != VERSION:
        raise StoreError(
            f"--store {file}: it is of the store's version {version}, this viewer has {VERSION}; name"
            " another file, or move this one away"
        )
    if not empty and (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise StoreError(f"--store {file}: it is damaged ({found}); name another file, or move this one away")
    connection.execute("PRAGMA journal_mode = WAL")
    # With WAL, NORMAL keeps the file whole whatever happens; a power cut may lose the last traces.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    if empty:
        connection.executescript(
            f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; {_TABLES} COMMIT;"
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
