"""The built-in viewer: OTLP in, a bounded store, an API, a live stream and the page that shows it.

Pure: ``decode`` and ``bodies`` (a request's bytes to spans), ``terms`` (what a search finds a span by), ``summary``
(a trace in one line), ``otlpjson``, ``jaeger`` and ``chrome`` (spans to JSON), ``queries`` (a search out of a URL).
I/O: ``store`` (sqlite), ``writer`` (its one thread), ``app`` and its neighbours (HTTP), ``run`` (the process).
"""
