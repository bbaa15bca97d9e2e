"""The settings of the agent, and how they are read: flags over environment over file over defaults."""

from __future__ import annotations

from haproxy_telemetry.settings.address import (
    AdminAddress,
    ListenAddress,
    ListenError,
    RecordsAddress,
    TcpAddress,
    UdpAddress,
    UnixAddress,
    parse_admin,
    parse_listen,
    parse_records,
)
from haproxy_telemetry.settings.errors import SettingsError
from haproxy_telemetry.settings.load import Loaded, load, load_settings
from haproxy_telemetry.settings.model import (
    AdminSettings,
    DslSettings,
    ExportSettings,
    LogSettings,
    MetricsSettings,
    RecordsSettings,
    RuleSettings,
    SamplingSettings,
    ServerSettings,
    Settings,
    TailSettings,
    TraceSettings,
    VariablesSettings,
    WireSettings,
)

__all__ = [
    "AdminAddress",
    "AdminSettings",
    "DslSettings",
    "ExportSettings",
    "ListenAddress",
    "ListenError",
    "Loaded",
    "LogSettings",
    "MetricsSettings",
    "RecordsAddress",
    "RecordsSettings",
    "RuleSettings",
    "SamplingSettings",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "TailSettings",
    "TcpAddress",
    "TraceSettings",
    "UdpAddress",
    "UnixAddress",
    "VariablesSettings",
    "WireSettings",
    "load",
    "load_settings",
    "parse_admin",
    "parse_listen",
    "parse_records",
]
