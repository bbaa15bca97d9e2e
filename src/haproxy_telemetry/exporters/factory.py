"""Which way out: from ``--export`` and the environment to a running exporter."""

from __future__ import annotations

import errno
import os
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from haproxy_telemetry.exporters.console import render_trace
from haproxy_telemetry.exporters.lines import LineExporter
from haproxy_telemetry.exporters.nowhere import NoExporter
from haproxy_telemetry.exporters.tee import VIEWER_LIMITS, Tee, viewer_settings
from haproxy_telemetry.otlp.encode import encode_request, encode_span
from haproxy_telemetry.otlp.json_fields import TRACES_REQUEST
from haproxy_telemetry.otlp.ledger import CloseReport, ExportState
from haproxy_telemetry.otlp.resource import ResourceTable, read_resource_attributes
from haproxy_telemetry.otlp.send import OtlpExporter
from haproxy_telemetry.otlp.settings import names_endpoint, read_batch_limits, read_otlp_settings
from haproxy_telemetry.otlp.signals import TO_VIEWER
from haproxy_telemetry.otlp.transcode import request_as_json
from haproxy_telemetry.otlp.variables import ExportConfigError
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.spans import FinishedTrace
from haproxy_telemetry.trace.stream import EndedStream

KINDS: Final = ("otlp", "console", "file", "none")


class Exporter(Protocol):
    """A way out for finished traces. It owns a thread, so make it after any fork."""

    def export(self, trace: FinishedTrace) -> None:
        """Take a trace over. Called on the event loop's thread: quick, never blocks on I/O, never raises."""

    def close(self, timeout_s: float) -> CloseReport:
        """Flush for at most ``timeout_s`` seconds and stop. Blocks; later traces count as lost (``shutdown``)."""


class WatchedExporter(Exporter, Protocol):
    """An exporter that can say where it goes, in words without secrets, and how it stands."""

    target: str

    def state(self) -> ExportState:
        """Return how the export stands; from any thread."""


class LogExporter(Protocol):
    """A way out for logs, as :class:`Exporter` is for traces."""

    def export(self, stream: EndedStream) -> None:
        """Take a stream that has ended. Called on the event loop's thread: quick, never blocks, never raises."""

    def close(self, timeout_s: float) -> CloseReport:
        """As :meth:`Exporter.close`."""


def make_exporter(
    kind: str,
    environ: Mapping[str, str],
    stats: Stats,
    *,
    file: Path | None = None,
    instance_id: str = "",
    viewer: str = "",
) -> WatchedExporter:
    """Start the exporter of a kind (one of ``KINDS``); ``file`` is for ``file`` and appended to.

    ``instance_id`` is the resource's ``service.instance.id``, a new one if empty. ``viewer`` is the URL that takes
    spans for the viewer, beside the others, or alone where OTLP goes nowhere else (:func:`only_viewer`).

    Raises :class:`ExportConfigError` for a setting that can't be obeyed; then nothing was started.
    """
    resources = ResourceTable(read_resource_attributes(environ, instance_id or str(uuid.uuid4())), stats)
    if not viewer:
        return _make(kind, environ, stats, resources, file)
    if only_viewer(kind, environ):
        return OtlpExporter(viewer_settings(viewer), VIEWER_LIMITS, resources, stats)
    main = _make(kind, environ, stats, resources, file)
    return Tee(main, OtlpExporter(viewer_settings(viewer), VIEWER_LIMITS, resources, stats, signal=TO_VIEWER))


def only_viewer(kind: str, environ: Mapping[str, str]) -> bool:
    """Say whether a viewer, if there is one, gets the traces alone: nobody said where OTLP goes."""
    return kind == "otlp" and not names_endpoint(environ)


def _make(
    kind: str, environ: Mapping[str, str], stats: Stats, resources: ResourceTable, file: Path | None
) -> WatchedExporter:
    if kind == "otlp":
        return OtlpExporter(read_otlp_settings(environ), read_batch_limits(environ), resources, stats)
    if kind == "console":
        service = dict(resources.of(None).attributes)[b"service.name"]
        assert isinstance(service, bytes)
        stdout = sys.stdout.fileno() if sys.stdout is not None else 1  # None: it was closed when we were started
        return LineExporter(
            stdout, lambda trace: render_trace(trace, service), stats, close_fd=False, target="standard output"
        )
    if kind == "file":
        encode = _json(resources)
        return LineExporter(
            _open(file), lambda trace: encode(trace) + b"\n", stats, close_fd=True, target=f"the file {file}"
        )
    if kind == "none":
        return NoExporter(stats)
    raise ExportConfigError("--export", kind, "unknown way out", f"use one of {', '.join(KINDS)}")


def _json(resources: ResourceTable) -> Callable[[FinishedTrace], bytes]:
    def encode(trace: FinishedTrace) -> bytes:
        request = encode_request([(resources.of(trace.service).encoded, [encode_span(span) for span in trace.spans])])
        return request_as_json(request, TRACES_REQUEST)

    return encode


def json_encoder(environ: Mapping[str, str], instance_id: str) -> Callable[[FinishedTrace], bytes]:
    """Return what writes a trace as one line of OTLP JSON, without its end, for those who watch: it counts nothing."""
    return _json(ResourceTable(read_resource_attributes(environ, instance_id), Stats()))


def check_file(file: Path | None) -> None:
    """Raise :class:`ExportConfigError` unless ``file`` can be appended to or made. Nothing is opened or made."""
    if file is None:
        raise _no_file()
    fault = _fault(file)
    if fault:
        raise _not_opened(file, OSError(fault, os.strerror(fault)))


def _fault(file: Path) -> int:
    """Return the ``errno`` with which opening ``file`` would fail, 0 if it would not."""
    folder = file.parent
    if os.path.isdir(file):
        return errno.EISDIR
    if os.path.exists(file):
        return 0 if os.access(file, os.W_OK) else errno.EACCES
    if not os.path.isdir(folder):
        return errno.ENOTDIR if os.path.exists(folder) else errno.ENOENT
    return 0 if os.access(folder, os.W_OK | os.X_OK) else errno.EACCES


def _open(file: Path | None) -> int:
    if file is None:
        raise _no_file()
    try:
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _not_opened(file, error) from error


def _no_file() -> ExportConfigError:
    return ExportConfigError("--export-file", "", "missing", "say where to write with --export-file PATH.jsonl")


def _not_opened(file: Path, error: OSError) -> ExportConfigError:
    problem = f"can't be opened ({error.strerror})"
    return ExportConfigError("--export-file", str(file), problem, "name a file that the agent may write")
