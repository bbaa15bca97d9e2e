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
            waiting.extend(gc.get_referents(one) or _fields(one))
    return total


def _fields(one: object) -> list[object]:
    """What an object of a compiled class refers to that the collector is not told of (``native.py``)."""
    names = [
        name
        for kind in type(one).__mro__
        for name, what in vars(kind).items()
        if isinstance(what, types.GetSetDescriptorType) and kind.__module__.startswith("haproxy_telemetry.")
    ]
    return [getattr(one, name, None) for name in names]
