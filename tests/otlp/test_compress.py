"""A body's gzip, by whichever library is there: any receiver reads it."""

from __future__ import annotations

import gzip
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haproxy_telemetry.otlp import compress


@given(
    st.one_of(
        st.binary(max_size=2000), st.builds(lambda part, n: part * n, st.binary(max_size=40), st.integers(0, 9000))
    )
)
def test_what_is_compressed_is_read_by_the_standard_library(body: bytes) -> None:
    assert gzip.decompress(compress.gzipped(body)) == body


def test_without_isal_it_is_zlibs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    assert compress._compressor() is zlib.compress
