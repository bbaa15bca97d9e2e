"""What the agent says about itself, asked for when somebody looks, and at most once in a moment."""

from __future__ import annotations

import asyncio
import json
from time import monotonic
from typing import Any, Final

import urllib3

FRESH_S: Final = 1.0
TIMEOUT_S: Final = 2.0
MAX_BYTES: Final = 1024 * 1024


class AgentWatch:
    """The agent's ``/status`` on its admin address; ``url`` is that address, ``""`` where nobody named one."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._pool = urllib3.PoolManager(1, maxsize=1, retries=False)
        self._lock = asyncio.Lock()
        self._looked = -FRESH_S
        self._last: tuple[Any, str | None] = (None, None)

    async def look(self) -> tuple[Any, str | None]:
        """Return what the agent says, or why it does not."""
        if not self._url:
            return None, "no agent was named: start the viewer with --agent http://127.0.0.1:9464"
        async with self._lock:
            if monotonic() - self._looked >= FRESH_S:
                self._last = await asyncio.to_thread(self._ask)
                self._looked = monotonic()
            return self._last

    def _ask(self) -> tuple[Any, str | None]:
        url = f"{self._url}/status"
        try:
            with self._pool.request("GET", url, timeout=TIMEOUT_S, redirect=False, preload_content=False) as answer:
                if answer.status != 200:
                    return None, f"{url} answers with HTTP {answer.status}"
                body = answer.read(MAX_BYTES + 1)
            if len(body) > MAX_BYTES:
                return None, f"{url} says more than {MAX_BYTES} bytes"
            return json.loads(body), None
        except (urllib3.exceptions.HTTPError, OSError, ValueError, RecursionError) as error:
            return None, f"{url} does not answer: {type(error).__name__}"
