"""What can be wrong with settings. Each error holds where, which and what, and writes its own sentence."""

from __future__ import annotations

from collections.abc import Iterable

MAX_VALUE = 80  # characters of a value in an error; enough to recognize it


class SettingsError(Exception):
    """Base of all errors of this package; ``str()`` is one sentence for the person who wrote the setting."""


class UnknownSettingError(SettingsError):
    """A key, variable or section that does not exist. ``where`` is the file and line, or the environment."""

    def __init__(self, where: str, name: str, known: Iterable[str]) -> None:
        super().__init__(where, name)
        self.where = where
        self.name = name
        self.known = tuple(known)
        self.nearest = nearest(name, self.known)

    def __str__(self) -> str:
        hint = f"did you mean {self.nearest}?" if self.nearest else "known are " + ", ".join(self.known)
        return f"{self.where}: unknown setting {self.name}; {hint}"


class BadValueError(SettingsError):
    """A value that is not of the type or outside the bounds; ``expected`` says what would be right.

    ``None`` is a value that is missing.
    """

    def __init__(self, where: str, name: str, value: object, expected: str) -> None:
        super().__init__(where, name, value, expected)
        self.where = where
        self.name = name
        self.value = value
        self.expected = expected

    def __str__(self) -> str:
        is_what = "is not given" if self.value is None else f"is {shown(self.value)}"
        return f"{self.where}: {self.name} {is_what}: {self.expected}"


class ConflictError(SettingsError):
    """Two settings that are right each by itself and wrong together."""

    def __init__(self, where: str, name: str, value: object, other: str, expected: str) -> None:
        super().__init__(where, name, value, other, expected)
        self.where = where
        self.name = name
        self.value = value
        self.other = other
        self.expected = expected

    def __str__(self) -> str:
        return f"{self.where}: {self.name} is {shown(self.value)}, but {self.other}: {self.expected}"


class BadFileError(SettingsError):
    """A file that cannot be read, or is no TOML."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def shown(value: object) -> str:
    """Return ``value`` as it may stand in an error: as TOML writes it, text in single quotes, printable and short."""
    text = _written(value)
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "..."


def _written(value: object, depth: int = 4) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_written(item, depth - 1) for item in value)}]" if depth else "[...]"
    if isinstance(value, dict):
        pairs = (f"{_key_written(key)} = {_written(item, depth - 1)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}" if depth else "{...}"
    return repr(str(value))


def _key_written(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else repr(key)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is closest to ``name``, or ``""`` if none is similar.

    A key that is right and stands in the wrong section is closer than any that is misspelt.
    """
    import difflib  # here, because only a mistake needs it and it takes 13 ms to import

    names = list(known)
    key = _key(name)
    for one in names:
        if _key(one) == key:
            return one
    lowered = {one.lower(): one for one in names}
    found = difflib.get_close_matches(name.lower(), lowered, n=1)
    return lowered[found[0]] if found else ""


def _key(label: str) -> str:
    """Return the last word of ``[section] key``."""
    return label.rpartition(" ")[2].lower()
