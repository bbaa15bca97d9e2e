"""The agent about itself, as metrics: one catalog, for ``/metrics`` and for OTLP. No I/O."""
