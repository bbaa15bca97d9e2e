"""``OTEL_CONFIG_FILE``: OpenTelemetry's declarative configuration, for what it has in common with this agent.

A file says what the variables say, so it becomes variables (:mod:`~.translate`), and is judged by those who read them.
What cannot be honoured is an error with its place in the file; nothing is passed over.
"""

from haproxy_telemetry.otelfile.read import VARIABLE, Source, read_source
from haproxy_telemetry.otelfile.table import OtelFileError

__all__ = ["VARIABLE", "OtelFileError", "Source", "read_source"]
