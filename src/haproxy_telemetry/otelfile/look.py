"""What the file's text says and its parsed form no longer does: a key that stands twice, a reference to nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from haproxy_telemetry.otelfile.table import OtelFileError

_REFERENCE: Final = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")  # `$$` is a `$` and begins none


def look(text: str, environ: Mapping[str, str]) -> list[str]:
    """Return, in words, which references are to variables that are not set: they count as empty, by the specification.

    Raises :class:`OtelFileError` for a key that stands twice, of which parsers take the last one. A text that is
    neither YAML nor JSON is left to the parser.
    """
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return []
    return [
        f"{where} has no value: {name} is not set"
        for where, value in _scalars(root, "", set())
        for name in _REFERENCE.findall(value)
        if name and name not in environ
    ]


def _scalars(node: Any, where: str, seen: set[int]) -> Iterator[tuple[str, str]]:
    """Give each value with its place; one that has several names (``&anchor``) at its first."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if node.id == "scalar":
        yield where, node.value
    elif node.id == "sequence":
        for number, item in enumerate(node.value):
            yield from _scalars(item, f"{where}[{number}]", seen)
    else:
        keys = set()
        for key, value in node.value:
            place = f"{where}.{key.value}" if where else str(key.value)
            if key.id == "scalar" and key.value in keys:
                raise OtelFileError(
                    place, f"it stands here twice, again in line {key.start_mark.line + 1}; say it once"
                )
            keys.add(str(key.value))
            yield from _scalars(value, place, seen)
