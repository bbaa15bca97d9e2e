"""What can be wrong with the options. The error holds which, what and why, and writes its own sentence."""

from __future__ import annotations

MAX_SHOWN = 80


class OptionError(ValueError):
    """An option that no right configuration can be made of. ``option`` is its name on the command line."""

    def __init__(self, option: str, value: str, reason: str) -> None:
        super().__init__(option, value, reason)
        self.option = option
        self.value = value
        self.reason = reason

    def __str__(self) -> str:
        shown = self.value if len(self.value) <= MAX_SHOWN else self.value[:MAX_SHOWN] + "..."
        return f"{self.option} {shown!r}: {self.reason}"
