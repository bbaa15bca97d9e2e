"""docs/records.md lists what the code reads and writes: keys, reasons, error types."""

from __future__ import annotations

import json
import re
from pathlib import Path

from haproxy_telemetry.records import REASONS
from haproxy_telemetry.trace.termination import FIRST, NO_SERVER, SECOND, decode_termination
from records.golden import VERSIONS, line

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "records.md").read_text()
WORDS = set(re.findall(r"`([^`\n]+)`", PAGE))


def test_every_key_of_a_record_is_listed() -> None:
    keys = set(json.loads(line(VERSIONS[-1], "get"))) | set(json.loads(line(VERSIONS[-1], "tcp")))
    assert keys - WORDS == set()


def test_every_reason_is_listed() -> None:
    assert set(REASONS) - WORDS == set()


def test_every_error_type_is_listed() -> None:
    types = {decode_termination(first + second).error_type.decode() for first in FIRST for second in SECOND}
    assert (types | {NO_SERVER.error_type.decode()}) - {""} - WORDS == set()
