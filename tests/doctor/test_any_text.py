"""Whatever stands in the files: the doctor has findings or none, never a traceback."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from doctor.clinic import PROXY, RECORDS, SCOPES, SPOE
from haproxy_telemetry.doctor.catalog import CHECKS
from haproxy_telemetry.doctor.configuration import Source, parse_sections
from haproxy_telemetry.doctor.proxies import make_proxies
from haproxy_telemetry.doctor.setup import Filter, Setup
from haproxy_telemetry.doctor.spoe import make_engine
from haproxy_telemetry.doctor.version import parse_version

WORDS = sorted({*PROXY.split(), *SPOE.split(), '"', "'", "\\", "${X[*]}", "no", "if", "unless", "{", "}", "!", "or"})
SECTIONS = (
    "global",
    "defaults",
    "frontend f",
    "backend agents",
    "listen l",
    "[otel]",
    "spoe-agent otel",
    "log-profile p",
)

lines = st.one_of(
    st.sampled_from([*PROXY.splitlines(), *SPOE.splitlines(), *SECTIONS]),
    st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join),
    st.text(max_size=20),
)
texts = st.lists(lines, max_size=40).map("\n".join)


@given(proxy=texts, spoe=texts, version=st.sampled_from(["2.4", "2.6", "3.2", "3.4.0", ""]))
def test_any_lines(proxy: str, spoe: str, version: str) -> None:
    found = parse_version(version)
    sections, environ = parse_sections([Source("haproxy.cfg", proxy)], {"X": "a b"}, found)
    inner, _ = parse_sections([Source("spoe.cfg", spoe)], environ, found)
    proxies = make_proxies(sections)
    filters = tuple(
        Filter(proxy, "otel", "spoe.cfg", proxy.place, make_engine(inner, scope))
        for proxy in proxies
        for scope in ("otel", "")
    )
    spoe_lines = tuple(line for section in inner for line in section.lines)
    setup = Setup(found, sections, proxies, filters, spoe_lines, RECORDS, SCOPES)
    for check in CHECKS:
        for finding in check.findings(setup):
            assert finding.words
            assert finding.fix
