"""OpenTelemetry traces from a stock HAProxy: a tracing agent behind SPOE."""

__version__ = "0.1.0"
