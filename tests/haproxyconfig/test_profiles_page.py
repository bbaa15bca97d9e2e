"""docs/profiles.md says what the generator does."""

from __future__ import annotations

from pathlib import Path

from haproxy_telemetry import haproxyconfig as hc
from haproxy_telemetry.cli.config import config
from haproxy_telemetry.haproxyconfig import record

PAGE = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text()


def test_the_spoe_file_of_the_page_is_the_one_that_is_written() -> None:
    files = hc.generate(hc.Options(hc.Profile.STANDARD, hc.parse_version("3.2")), "x")
    text = next(file.text for file in files if file.name == hc.SPOE)
    assert f"```\n{text[text.index('[otel]') :]}```\n" in PAGE


def test_every_option_and_profile_is_on_the_page() -> None:
    for parameter in config.params:
        for flag in (name for name in parameter.opts if name.startswith("--")):
            assert f"`{flag}" in PAGE
    for profile in hc.Profile:
        assert f"| `{profile.value}` |" in PAGE


def test_the_sizes_are_those_of_the_record() -> None:
    sizes = (record.LINE_BYTES, record.TARGET_BYTES, record.USER_AGENT_BYTES, record.HOST_BYTES, record.METHOD_BYTES)
    line = next(line for line in PAGE.split("\n- ") if line.startswith("**Sizes**"))
    assert all(f" {size}" in line.replace("\n", " ") for size in (*sizes, record.TRACE_STATE_BYTES))
