"""What the records on the way of a request have in common: fields that are set once, equality by them, a changed copy.

Plain classes with slots, and no named tuples: compiled, a field of such a class is a load from memory and a new one a
few stores, where a named tuple is made by interpreted code and read through a descriptor.
"""

from __future__ import annotations

from typing import Any, Self

from haproxy_telemetry.native import mypyc_attr


@mypyc_attr(acyclic=True)
class Plain:
    """Base of records. A subclass has slots, sets them all in ``__init__``, and names those that count here."""

    __slots__ = ()

    def names(self) -> tuple[str, ...]:
        """Return the fields, as ``__init__`` calls them."""
        return ()

    def replaced(self, **changes: Any) -> Self:
        """Return one that differs in these fields."""
        return type(self)(**{name: getattr(self, name) for name in self.names()} | changes)

    def _values(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in self.names()])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and type(other) is type(self) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        fields = [f"{name}={getattr(self, name)!r}" for name in self.names()]
        return f"{type(self).__name__}({', '.join(fields)})"
