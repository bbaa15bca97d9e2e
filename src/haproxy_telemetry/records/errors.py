"""Why a datagram gave no record: one of a few reasons, to be counted, and a sentence for a person."""

from __future__ import annotations

from typing import Final

NOT_OURS: Final = "not_ours"
CUT: Final = "cut"
NOT_JSON: Final = "not_json"
NOT_UTF8: Final = "not_utf8"
MISSING_FIELD: Final = "missing_field"
BAD_VALUE: Final = "bad_value"
TOO_LONG: Final = "too_long"

_SENTENCES: Final[dict[str, str]] = {
    NOT_OURS: "the line is not a record of the generated format, version 1",
    CUT: "the record does not fit into its line: give HAProxy's log line more room (log ADDRESS len 16384 ...)",
    NOT_JSON: "the record is not valid JSON: take the format as generated, texts through json(utf8s)",
    NOT_UTF8: "the record is not valid UTF-8: take the format as generated, texts through json(utf8s)",
    MISSING_FIELD: "the record lacks a field",
    BAD_VALUE: "a field of the record has a value that HAProxy does not write there",
    TOO_LONG: "the datagram holds more than any that HAProxy sends",
}

REASONS: Final = tuple(_SENTENCES)


class RecordError(Exception):
    """A line that is no record. ``reason`` is one of :data:`REASONS`; ``field`` names the JSON key, if one is meant."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason, field)
        self.reason = reason
        self.field = field

    def __str__(self) -> str:
        """One sentence, with nothing of the line in it: that is a stranger's text."""
        return _SENTENCES[self.reason] + (f": {self.field}" if self.field else "")
