"""The settings of the agent, and how they are read: flags over environment over file over defaults."""

from __future__ import annotations

from haproxy_telemetry.settings.address import (
    ListenAddress,
    ListenError,
    TcpAddress,
    UnixAddress,
    parse_listen,
)
from haproxy_telemetry.settings.errors import SettingsError
from haproxy_telemetry.settings.load import Loaded, load, load_settings
from haproxy_telemetry.settings.model import (
    DslSettings,
    ExportSettings,
    LogSettings,
    ServerSettings,
    Settings,
    TraceSettings,
    VariablesSettings,
    WireSettings,
)

__all__ = [
    "DslSettings",
    "ExportSettings",
    "ListenAddress",
    "ListenError",
    "Loaded",
    "LogSettings",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "TcpAddress",
    "TraceSettings",
    "UnixAddress",
    "VariablesSettings",
    "WireSettings",
    "load",
    "load_settings",
    "parse_listen",
]
