"""One mapping of the file, read by taking from it: what is left when its reader is done is what nobody honours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, final

MAX_VALUE: Final = 80  # characters of a value in an error


class OtelFileError(ValueError):
    """What cannot be honoured: the place in the file (``tracer_provider.sampler``), what is wrong, and what to do."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where = where
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}" if self.where else self.problem


@final
class Table:
    """A mapping and its place. A key whose value is null is one that is not there, but for mappings: those are empty.

    Use it as ``with table.sub("limits") as limits``: at its end, what has not been taken raises.
    """

    def __init__(self, where: str, fields: Mapping[str, Any]) -> None:
        self.where = where
        self._fields = dict(fields)

    def __bool__(self) -> bool:
        return bool(self._fields)

    def at(self, key: str) -> str:
        """Return the place of a key."""
        return f"{self.where}.{key}" if self.where else key

    def take(self, key: str, default: Any = None) -> Any:
        """Return a value, ``default`` if there is none."""
        value = self._fields.pop(key, None)
        return default if value is None else value

    @contextmanager
    def sub(self, key: str) -> Iterator[Table]:
        """Give the mapping under a key, empty if there is none; raise for what is left of it."""
        table = Table(self.at(key), self.take(key, {}))
        yield table
        table.end()

    def has(self, key: str) -> bool:
        """Say whether there is such a key that has not been taken."""
        return self._fields.get(key) is not None

    def items(self, key: str) -> list[Table]:
        """Return the mappings of a list; whoever asks ends each of them."""
        return [Table(f"{self.at(key)}[{number}]", item) for number, item in enumerate(self.take(key, []))]

    def only(self, key: str, what: str) -> Table | None:
        """Return the mapping of a list that may have one; ``None`` for an empty list."""
        tables = self.items(key)
        if len(tables) > 1:
            raise OtelFileError(tables[1].where, f"one {what} more than this agent can have")
        return tables[0] if tables else None

    @contextmanager
    def kind(self, known: Iterable[str]) -> Iterator[tuple[str, Table]]:
        """Give the one key that says what a mapping is, and what stands under it; raise if it is none of ``known``."""
        names = tuple(known)
        given = [name for name, value in self._fields.items() if value is not None]
        if len(given) != 1 or given[0] not in names:
            wrong = next((name for name in given if name not in names), None)
            where = self.where if wrong is None else self.at(wrong)
            raise OtelFileError(where, f"this agent needs one of these here: {', '.join(names)}")
        with self.sub(given[0]) as inner:
            yield given[0], inner
        self.end()

    def take_all(self) -> list[str]:
        """Take whatever is left; return the keys."""
        keys = [key for key, value in self._fields.items() if value is not None]
        self._fields.clear()
        return keys

    def end(self) -> None:
        """Raise for a key that nobody took."""
        for key, value in self._fields.items():
            if value is not None:
                raise OtelFileError(self.at(key), f"this agent cannot honour it (it is {_shown(value)}); leave it out")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"
