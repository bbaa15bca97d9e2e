"""The way out by OTLP: encode (pure), batch (pure), retry (pure), send (a thread and HTTP)."""
