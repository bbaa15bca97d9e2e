"""How many bytes an object keeps alive, with all that it refers to."""

from __future__ import annotations

import gc
import logging
import sys
import types

_SHARED = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, logging.Logger)
"""What belongs to the program, whoever refers to it."""


def retained(*roots: object) -> int:
    """Return the bytes of the objects and of all data that can be reached from them, each counted once."""
    seen: set[int] = set()
    total = 0
    waiting = list(roots)
    while waiting:
        one = waiting.pop()
        if id(one) not in seen and not isinstance(one, _SHARED):
            seen.add(id(one))
            total += sys.getsizeof(one)
            waiting.extend(gc.get_referents(one))
    return total
