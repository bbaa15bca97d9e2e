"""The command ``haproxy-telemetry``: which subcommands there are; each is imported only when it runs.

Exit codes: 0 done, 1 failed at run time, 2 wrong usage or settings.
"""

from __future__ import annotations

import importlib

import click

from haproxy_telemetry import __version__

# Name, which is also that of the module and of the command in it, and the line in the overview.
COMMANDS = {
    "serve": "Run the agent.",
    "config": "Write what HAProxy needs, for the version that runs here.",
    "doctor": "Say what is wrong with HAProxy's configuration.",
    "tail": "Show traces in the terminal as they finish.",
    "decode": "Put SPOP frames into words, from hex or a capture.",
    "viewer": "Take OTLP in and show the traces, in a browser.",
    "replay": "Play a recording of the agent again.",
    "demo": "Show traces of two HAProxies and an origin, on this machine.",
    "version": "Print the version, and how the agent runs here.",
}


class LazyGroup(click.Group):
    """A group that imports the module of a command when the command is asked for, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the names, in the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, imported now."""
        if cmd_name not in COMMANDS or cmd_name in self.commands:
            return super().get_command(ctx, cmd_name)
        command = getattr(importlib.import_module(f"{__name__}.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (click's)
        """Write the overview without importing any of the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """OpenTelemetry traces from a stock HAProxy: a tracing agent behind SPOE."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
