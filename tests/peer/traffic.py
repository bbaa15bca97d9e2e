"""Clients that never pause, to see whether one of their requests suffers from what a test does meanwhile."""

from __future__ import annotations

import threading
from collections import Counter
from types import TracebackType

from peer.http_client import request
from peer.processes import wait_until


class Traffic:
    """Some clients, each with one request after the other, on new connections. Use as a context manager."""

    def __init__(self, port: int, clients: int = 3) -> None:
        self._port = port
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        self._stop = threading.Event()
        self.answers: list[int] = []  # append is atomic
        self.failures: list[str] = []

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.answers.append(request(self._port).status)
            except Exception as error:
                self.failures.append(repr(error))

    def wait_for_more(self, number: int) -> None:
        """Let so many further requests come to their end."""
        wanted = len(self.answers) + len(self.failures) + number
        wait_until(lambda: len(self.answers) + len(self.failures) >= wanted, f"{number} more requests")

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if kind is None:
            assert self.failures == [], self.failures
            assert Counter(self.answers).keys() == {200}, Counter(self.answers)
