"""The meaning of traces: context, live spans, and the assembler. Knows neither SPOP nor OTLP."""
