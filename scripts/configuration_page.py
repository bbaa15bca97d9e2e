"""Write docs/configuration.md out of the settings: ``python scripts/configuration_page.py``.

The page holds nothing that is not in ``haproxy_telemetry.settings.model`` but its opening; a test compares both.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from click.testing import CliRunner

from haproxy_telemetry.cli import main
from haproxy_telemetry.settings.catalog import ROWS, SECTIONS, Section, Setting
from haproxy_telemetry.settings.load import load
from haproxy_telemetry.settings.toml import as_toml, toml_value

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"

OPENING = """\
# Configuration

<!-- Made by scripts/configuration_page.py from src/haproxy_telemetry/settings/model.py. Change it there. -->

Every setting has a default, and the agent runs without any. A setting can be given in three places:

1. on the command line, for the few that have a flag;
2. in the environment, as `HAPROXY_TELEMETRY_<SECTION>_<KEY>`: lists are separated by commas, and an empty variable
   counts as not given;
3. in a file, a TOML, that `--config` or `HAPROXY_TELEMETRY_CONFIG` names. Tables of which there may be several, such
   as `[[sampling.rules]]`, are there only.

Flags win over the environment, the environment over the file; a list replaces the other, it is not joined to it.
Nothing unknown is passed over: a misspelt key or variable is an error that names the place and the nearest known
name. (The variables that Kubernetes makes for a service called `haproxy-telemetry` are left alone.)

`haproxy-telemetry serve --check` prints the settings with the place where each comes from, and exits with 0;
or it says what is wrong, and exits with 2. SIGHUP reads all of it again and takes over `[sampling]`; the rest needs a
restart.

Where OTLP goes, and how the service is called, is said by the variables of OpenTelemetry: `OTEL_EXPORTER_OTLP_*`,
`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`; which methods of HTTP are called by their names, by
`OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` (a list with commas, which replaces the conventions' own; others are
`_OTHER`). Or all of this is said by OpenTelemetry's own file, which `OTEL_CONFIG_FILE` names
([otel-config.md](otel-config.md)); what it gives of the settings here is below all three places.

```toml
listen = ["127.0.0.1:7000", "unix:/run/haproxy-telemetry/spop.sock"]

[trace]
ttl = 60

[http]
routes = ["/users/{id}", "GET /orders/{id}/items/{*rest}"]

[privacy]
query_allow = ["page"]
client_address = "truncate"

[log]
format = "json"
```
"""


def page() -> str:
    """Return the text of the page."""
    return "\n".join([OPENING, *_command_line(), *_settings(), *_all_defaults()]) + "\n"


def serve_help() -> str:
    """Return what ``haproxy-telemetry serve --help`` prints in a terminal of 80 columns."""
    result = CliRunner().invoke(main, ["serve", "--help"], prog_name="haproxy-telemetry", terminal_width=80)
    return result.output


def _command_line() -> Iterator[str]:
    yield from (
        "## Command line",
        "",
        "```console",
        "$ haproxy-telemetry serve --help",
        serve_help().rstrip(),
        "```",
        "",
    )


def _settings() -> Iterator[str]:
    for section in (*SECTIONS, *ROWS):
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    if section.name:
        yield from (f"## `{section.header}`", "", section.what, "")
    else:
        yield from ("## At the top of the file", "")
    for setting in section.settings:
        yield from _setting(setting, section.rows)


def _setting(setting: Setting, row: bool) -> Iterator[str]:
    default = "not set" if setting.default is None else f"`{toml_value(setting.default)}`"
    names = [f"`{setting.variable}`"] + ([f"`{setting.about.flag}`"] if setting.about.flag else [])
    yield from (f"### `{setting.key}`", "")
    yield from (f"{setting.about.what[0].upper()}{setting.about.what[1:]}. {setting.about.why}", "")
    yield f"- Default: {default}"
    yield f"- Value: {setting.expected}"
    if not row:
        yield f"- Also: {', '.join(names)}"
    yield ""


def _all_defaults() -> Iterator[str]:
    lines = as_toml(load(None, {}, {})).splitlines()
    yield from ("## All defaults, as a file", "", "```toml")
    yield from (line.removesuffix("# default").rstrip() for line in lines)
    yield "```"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")
