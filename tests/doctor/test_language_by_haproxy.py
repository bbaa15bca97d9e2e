"""The same lines, read by HAProxy: `.notice` prints its one word, and says which branch of a block it took."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import haproxy_versions
import pytest

from haproxy_telemetry.doctor.configuration import Source, parse_sections
from haproxy_telemetry.doctor.version import parse_version
from haproxy_telemetry.doctor.words import split_words

ENVIRON = {"HOST": "127.0.0.1", "EMPTY": "", "LIST": "a b c", "PATH": "/usr/bin"}
INSTALLED = haproxy_versions.discover().versions

WORDS = [
    "plain # comment",
    "hash#inside",
    r"esc\#aped\ space",
    r"%{+Q}o\ %t\ %s\ %{-Q}r",
    """"%{+Q}o %t"' %s %{-Q}r'""",
    """"it's\"""",
    """'say "x"'""",
    r"a\\b\"c\'d",
    r"\x41\x42",
    r'"\x41\$HOST\"\\"',
    r"'\x41\n$HOST'",
    r"^/a\.b\d+$",
    r'"a\.b"',
    r"\$HOST",
    "$HOST",
    '"$HOST:1"',
    '"${HOST}x"',
    '"${NONE-default}"',
    '"x${EMPTY-default}y"',
    '"x${NONE}y$NONE"',
    '"${LIST}"',
    "\"a\"'b'c",
    '"#no comment"',
    r'"a\'b\ c\#d\te"',
    r"a\tb\qc",
    '"${HOST-x-y}"',
]
CONDITIONS = [
    "0",
    "1",
    "!0",
    "defined(HOST)",
    "defined(NONE)",
    'streq("$HOST",127.0.0.1)',
    "streq(a,b) || streq(a,a)",
    "strneq(a,b) && !streq(a,b)",
    "0 && 0 || 1",
    "1 || 0 && 0",
    "0 && (0 || 1)",
    "!(0 || 1)",
    "version_atleast(2.6)",
    "version_atleast(2.8)",
    "version_before(3.0)",
    "version_before(3.2.26)",
    "version_atleast(2.6.12) && version_before(3.1)",
]


def notices(installed: haproxy_versions.HaproxyVersion, folder: Path, text: str) -> list[str]:
    """What HAProxy's `.notice` lines print."""
    (folder / "h.cfg").write_text(f"global\n{text}\n")
    command = [*installed.command, "-c", "-f", "h.cfg"]
    done = subprocess.run(command, cwd=folder, env=ENVIRON, capture_output=True, text=True, timeout=30, check=False)
    return re.findall(r"parsing \[h\.cfg:\d+\]\s*: '(.*)'\.$", done.stderr, re.MULTILINE)


@pytest.mark.parametrize("installed", INSTALLED, ids=lambda installed: installed.name)
def test_words(installed: haproxy_versions.HaproxyVersion, tmp_path: Path) -> None:
    said = notices(installed, tmp_path, "\n".join(f".notice {line}" for line in WORDS))
    assert said == [split_words(line, ENVIRON)[0] for line in WORDS]


@pytest.mark.parametrize("installed", INSTALLED, ids=lambda installed: installed.name)
def test_conditions(installed: haproxy_versions.HaproxyVersion, tmp_path: Path) -> None:
    blocks = [f".if {one}\n{{}}yes\n.else\n{{}}no\n.endif" for one in CONDITIONS]
    said = notices(installed, tmp_path, "\n".join(block.replace("{}", ".notice ") for block in blocks))
    ours = "global\n" + "\n".join(block.replace("{}", "") for block in blocks)
    sections, _ = parse_sections([Source("f", ours)], ENVIRON, parse_version(installed.full))
    assert said == [line.text for line in sections[0].lines]
