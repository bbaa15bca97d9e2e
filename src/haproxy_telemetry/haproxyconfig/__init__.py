"""The generator of HAProxy configurations: options in, texts out.

It decides what a HAProxy of a given version needs for a profile, and leaves out what hurts that version. It
runs nothing and reads nothing: the caller says which version it is. Each line comes with its reason.

    files = generate(Options(Profile.STANDARD, parse_version("3.2.26")), command="config standard")
    for file in files: file.name, file.text
"""

from haproxy_telemetry.haproxyconfig.errors import OptionError
from haproxy_telemetry.haproxyconfig.files import LINES, PROXY, File, generate
from haproxy_telemetry.haproxyconfig.options import (
    SPOE,
    Example,
    Mode,
    Options,
    Profile,
    Records,
    Trust,
    parse_agent,
    parse_bind,
    parse_formats,
    parse_origin,
    parse_ratio,
    parse_records,
    parse_trust,
)
from haproxy_telemetry.haproxyconfig.version import Version, parse_banner, parse_version

__all__ = [
    "LINES",
    "PROXY",
    "SPOE",
    "Example",
    "File",
    "Mode",
    "OptionError",
    "Options",
    "Profile",
    "Records",
    "Trust",
    "Version",
    "generate",
    "parse_agent",
    "parse_banner",
    "parse_bind",
    "parse_formats",
    "parse_origin",
    "parse_ratio",
    "parse_records",
    "parse_trust",
    "parse_version",
]
