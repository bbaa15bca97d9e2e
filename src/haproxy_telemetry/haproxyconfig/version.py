"""Which HAProxy it is, and what that version can do or must be spared.

The boundaries come from running eight versions (2.6.12, 2.8.25, 3.0.0 to 3.4.0, 3.5-dev5). A fault that a later
patch release repairs is still avoided: the version says only the series for sure.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from haproxy_telemetry.haproxyconfig.errors import OptionError

OLDEST: Final = (2, 6)
"""`balance hash` came with it; nothing older was tried."""

RUN_BY_TESTS: Final = ((2, 6), (2, 8), (3, 0), (3, 2))
"""The series that the tests of this project run. Any other is written for by what was learned of it once."""

_BANNER = re.compile(r"^HA-?Proxy version (\d+\.\d+\S*)", re.MULTILINE)
_VERSION = re.compile(r"v?((\d{1,3})\.(\d{1,3})(?:[.-][0-9A-Za-z.+~_-]*)?)")


class Version(NamedTuple):
    """One HAProxy: its series, and its whole name for people (``2.6.12-1+deb12u4``)."""

    series: tuple[int, int]
    text: str

    @property
    def has_spop_mode(self) -> bool:
        """`mode spop` for the agents' backend; the SPOE of 3.1 is a new one, on a multiplexer of its own."""
        return self.series >= (3, 1)

    @property
    def has_log_profiles(self) -> bool:
        """`log-profile` and `log-steps`: a format for each `log` line."""
        return self.series >= (3, 1)

    @property
    def heeds_hello_and_idle(self) -> bool:
        """`timeout hello` and `timeout idle` of a SPOE agent: wanted up to 3.0, ignored since."""
        return self.series < (3, 1)

    @property
    def loses_processing_timeout(self) -> bool:
        """On events of the response, with a fast server (2.6.12; 2.8 does not)."""
        return self.series < (2, 8)

    @property
    def breaks_cache_hits(self) -> bool:
        """With on-server-session or on-tcp-response, a hit of HAProxy's cache becomes a 502."""
        return self.series >= (3, 2)

    @property
    def crashes_on_silent_servers(self) -> bool:
        """With on-server-session or on-tcp-response in flight while the server closes without an answer."""
        return self.series >= (3, 4)

    @property
    def tells_no_log_without_format(self) -> bool:
        """With `log-steps`, no log profile is asked where the frontend has no format of its own (3.1.0)."""
        return self.series == (3, 1)

    @property
    def logs_other_sizes(self) -> bool:
        """%B is what the server sent, 0 where HAProxy answers by itself (3.4, 3.5-dev5); 3.3.0 swaps %B and %U."""
        return self.series >= (3, 3)

    @property
    def note(self) -> str:
        """What a person must know about this choice, or nothing."""
        if self.series in RUN_BY_TESTS:
            return ""
        run = ", ".join(map(_dotted, RUN_BY_TESTS))
        if self.series > RUN_BY_TESTS[-1]:
            return f"HAProxy {self.text} is newer than any that was tried in this project's tests (they run {run})"
        return f"HAProxy {self.text} was not tried in this project's tests (they run {run})"


def parse_version(text: str) -> Version:
    """Read ``3.2``, ``2.6.12-1+deb12u4``, ``3.5-dev5``; raise :class:`OptionError` for anything else."""
    found = _VERSION.fullmatch(text.strip())
    if found is None:
        raise OptionError("--haproxy-version", text, "a version is written like 2.6.12, 3.2 or 3.5-dev5")
    version = Version((int(found[2]), int(found[3])), found[1])
    if version.series < OLDEST:
        raise OptionError("--haproxy-version", text, f"{_dotted(OLDEST)} is the oldest that this can be written for")
    return version


def parse_banner(text: str) -> Version | None:
    """Read what ``haproxy -v`` prints; ``None`` if it is not HAProxy's."""
    found = _BANNER.search(text)
    return parse_version(found[1]) if found else None


def _dotted(series: tuple[int, int]) -> str:
    return f"{series[0]}.{series[1]}"
