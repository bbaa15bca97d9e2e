"""Route templates as people write them: ``[METHOD ]/segment/{name}/{*rest}``, checked to the letter.

What is wrong is said of the template: a template that matches nothing would otherwise be found out by its absence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

FORMS = "/PATH or METHOD /PATH, with {name} for a segment and {*name} for all the rest"
MAX_LENGTH = 512
MAX_SEGMENTS = 32

_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2: token
_NAME = re.compile(r"\*?[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Route:
    """A template; ``method`` is ``""`` for any. Two are equal if they match the same requests: names do not count."""

    method: str
    template: str = field(compare=False)
    shape: str

    def __str__(self) -> str:
        return f"{self.method} {self.template}".strip()


def parse_route(text: str) -> Route:
    """Return the route that ``text`` writes; raises ``ValueError``, which says what is wrong."""
    method, space, template = text.rpartition(" ")
    if space and not _METHOD.fullmatch(method):
        raise ValueError(f"{method!r} is no method: expected {FORMS}")
    if not template.startswith("/"):
        raise ValueError(f"a template begins with a slash: expected {FORMS}")
    if len(template) > MAX_LENGTH:
        raise ValueError(f"a template of more than {MAX_LENGTH} characters")
    if not template.isascii() or not template.isprintable():
        raise ValueError("a path has printable ASCII only; write others as %XX, as the client sends them")
    if "?" in template or "#" in template:
        raise ValueError("a template is a path, without a query or fragment")
    return Route(method, template, _shape(template[1:].split("/")))


def _shape(segments: list[str]) -> str:
    """Return the template without the names of its variables."""
    if len(segments) > MAX_SEGMENTS:
        raise ValueError(f"a template of more than {MAX_SEGMENTS} segments")
    shape: list[str] = []
    names: set[str] = set()
    for number, segment in enumerate(segments, 1):
        if "{" not in segment and "}" not in segment:
            shape.append(segment)
            continue
        name = segment[1:-1]
        if not (segment.startswith("{") and segment.endswith("}") and _NAME.fullmatch(name)):
            raise ValueError(f"{segment} is no variable: a whole segment, {{name}} or {{*name}}, of letters, digits, _")
        rest = name.startswith("*")
        if rest and number < len(segments):
            raise ValueError(f"{segment} takes all the rest, so it must be the last segment")
        if name.lstrip("*") in names:
            raise ValueError(f"{segment}: the name stands there twice")
        names.add(name.lstrip("*"))
        shape.append("{*}" if rest else "{}")
    return "/".join(shape)


def parse_query_key(text: str) -> str:
    """Return the key of a query that ``text`` names, as the application reads it; raises ``ValueError``."""
    if not text or any(c in "&;=#" or not c.isprintable() for c in text):
        raise ValueError("expected the name of a query's parameter, such as page, without = & ; #")
    return text
