"""The settings of the agent, and how they are read: flags over environment over file over defaults."""

from __future__ import annotations

from haproxy_telemetry.settings.address import (
    ListenAddress,
    ListenError,
    RecordsAddress,
    TcpAddress,
    UdpAddress,
    UnixAddress,
    parse_listen,
    parse_records,
)
from haproxy_telemetry.settings.errors import BadFileError, BadValueError, SettingsError
from haproxy_telemetry.settings.load import Loaded, load, load_settings
from haproxy_telemetry.settings.model import (
    DslSettings,
    ExportSettings,
    HttpSettings,
    LogSettings,
    MetricsSettings,
    PrivacySettings,
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
    "BadFileError",
    "BadValueError",
    "DslSettings",
    "ExportSettings",
    "HttpSettings",
    "ListenAddress",
    "ListenError",
    "Loaded",
    "LogSettings",
    "MetricsSettings",
    "PrivacySettings",
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
    "parse_listen",
    "parse_records",
]
