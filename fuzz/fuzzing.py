"""What the fuzz targets share: atheris, and a corpus that begins with what HAProxy sent.

Run a target:  python fuzz/fuzz_connection.py -max_total_time=300    (needs the dependency group ``fuzz``)
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
LONGEST = 4096
"""Bytes of an input. Longer ones are slower to change, and reach nothing that these do not."""


def fuzz(check: Callable[[bytes], None], seeds: Iterable[bytes]) -> None:
    """Let atheris look for bytes that make ``check`` raise; the command line's arguments are libFuzzer's."""
    import atheris  # only here: the check itself must import without it

    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(dict.fromkeys(seeds)):
            if len(seed) <= LONGEST:
                (Path(corpus) / str(number)).write_bytes(seed)
        atheris.instrument_all()
        atheris.Setup([sys.argv[0], corpus, f"-max_len={LONGEST}", *sys.argv[1:]], check)
        atheris.Fuzz()
