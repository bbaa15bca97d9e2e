"""``http.route`` from templates: which of a bounded set of templates a request's path is one of.

A template is segments behind slashes: ``/users/{id}/orders``. A segment is literal, or ``{name}`` for any one segment
that is not empty, or, as the last, ``{*name}`` for all that is left, slashes included. The first template that
matches counts. Paths are compared as sent: nothing is decoded, folded or normalised.

No expressions: the templates are one tree, and a path takes a step down it for each of its segments. It looks into
more than one branch only where templates differ by a literal against a variable, and into no node twice, so that the
work is bounded by the templates, whatever the path is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final

ANY_METHOD: Final = b""
_NEVER: Final = 1 << 30


@final
class _Node:
    """What may follow a prefix; templates by their number, which is their rank. ``first``: the least in or below."""

    __slots__ = ("ends", "first", "literals", "rests", "variable")

    def __init__(self) -> None:
        self.first = _NEVER
        self.literals: dict[bytes, _Node] = {}
        self.variable: _Node | None = None
        self.ends: dict[bytes, int] = {}
        self.rests: dict[bytes, int] = {}


@final
class RouteTable:
    """Templates in the order in which they count: ``(method, template)``, ``b""`` for any method.

    They must be valid (``settings.routes`` sees to that): a ``/`` first, ``{*name}`` last.
    """

    __slots__ = ("_depth", "_root", "_templates")

    def __init__(self, routes: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._root = _Node()
        self._depth = 1
        self._templates: list[bytes] = []
        for method, template in routes:
            self._add(method, template)

    def __len__(self) -> int:
        return len(self._templates)

    def match(self, method: bytes, path: bytes) -> bytes:
        """Return the template that counts for the path, ``b""`` if there is none."""
        if not self._templates or not path.startswith(b"/"):
            return b""
        # One piece more than the longest template has is enough to see that a path is longer.
        number = _find(self._root, path[1:].split(b"/", self._depth), 0, method, _NEVER)
        return b"" if number == _NEVER else self._templates[number]

    def _add(self, method: bytes, template: bytes) -> None:
        number = len(self._templates)
        self._templates.append(template)
        segments = template[1:].split(b"/")
        self._depth = max(self._depth, len(segments))
        node = self._root
        node.first = min(node.first, number)
        for segment in segments:
            if segment.startswith(b"{*"):
                node.rests.setdefault(method, number)
                return
            node = _child(node, segment)
            node.first = min(node.first, number)
        node.ends.setdefault(method, number)


def _child(node: _Node, segment: bytes) -> _Node:
    if not segment.startswith(b"{"):
        return node.literals.setdefault(segment, _Node())
    if node.variable is None:
        node.variable = _Node()
    return node.variable


def _find(node: _Node, pieces: list[bytes], at: int, method: bytes, best: int) -> int:
    """Return the least number of a template at or below the node that matches, or ``best`` if none is less."""
    if node.first >= best:
        return best
    if at == len(pieces):
        return _least(node.ends, method, best)
    best = _least(node.rests, method, best)
    literal = node.literals.get(pieces[at])
    if literal is not None:
        best = _find(literal, pieces, at + 1, method, best)
    if node.variable is not None and pieces[at]:
        best = _find(node.variable, pieces, at + 1, method, best)
    return best


def _least(numbers: dict[bytes, int], method: bytes, best: int) -> int:
    if not numbers:
        return best
    return min(best, numbers.get(method, _NEVER), numbers.get(ANY_METHOD, _NEVER))
