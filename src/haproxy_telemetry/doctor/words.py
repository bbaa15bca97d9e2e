"""One line of HAProxy's configuration as words: quotes, backslashes, comments and the environment (manual, 2.2, 2.3).

Lenient where HAProxy refuses (a quote without its end): `haproxy -c` says that better than we could.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_ESCAPES = {" ": " ", "\\": "\\", "#": "#", "'": "'", '"': '"', "$": "$", "n": "\n", "r": "\r", "t": "\t"}
_HEX = re.compile(r"x([0-9A-Fa-f]{2})")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(\[\*\])?(?:-([^}]*))?\})")


def split_words(line: str, environ: Mapping[str, str]) -> list[str]:
    """Return the words of ``line`` as HAProxy sees them; variables are replaced within double quotes only."""
    return _Splitter(line, environ).split()


class _Splitter:
    """One pass over a line. ``_word`` is ``None`` between words, since ``""`` is a word too."""

    def __init__(self, line: str, environ: Mapping[str, str]) -> None:
        self._line = line
        self._environ = environ
        self._words: list[str] = []
        self._word: str | None = None
        self._quote = ""

    def split(self) -> list[str]:
        position = 0
        while position < len(self._line):
            char = self._line[position]
            if char == "#" and not self._quote:
                break
            position = self._take(char, position)
        self._end_word()
        return self._words

    def _take(self, char: str, position: int) -> int:
        """Read what stands at ``position``; return where to go on."""
        if char in " \t\r\n" and not self._quote:
            self._end_word()
        elif char in "\"'" and self._quote in ("", char):
            self._quote = "" if self._quote else char
            self._add("")
        elif char == "\\" and self._quote != "'":
            return self._escape(position)
        elif char == "$" and self._quote == '"':
            return self._variable(position)
        else:
            self._add(char)
        return position + 1

    def _add(self, text: str) -> None:
        self._word = (self._word or "") + text

    def _end_word(self) -> None:
        if self._word is not None:
            self._words.append(self._word)
        self._word = None

    def _escape(self, position: int) -> int:
        following = self._line[position + 1 : position + 2]
        if following in _ESCAPES and (following != "$" or self._quote):  # as HAProxy does, unlike its manual
            self._add(_ESCAPES[following])
            return position + 2
        if found := _HEX.match(self._line, position + 1):
            self._add(chr(int(found[1], 16)))
            return found.end()
        self._add("\\")  # before any other character it stands for itself
        return position + 1

    def _variable(self, position: int) -> int:
        found = _VARIABLE.match(self._line, position)
        if found is None:
            self._add("$")
            return position + 1
        value = self._environ.get(found[1] or found[2], found[4] or "")
        parts = value.split(" ") if found[3] else [value]  # ${X[*]}: each of its words is one of ours
        for part in parts[:-1]:
            self._add(part)
            self._end_word()
        self._add(parts[-1])
        return found.end()
