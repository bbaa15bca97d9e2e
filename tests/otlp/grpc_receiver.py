"""An OTLP/gRPC receiver for tests: grpcio's server with the official classes, that answers by a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # it ships no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # it ships no types
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from haproxy_telemetry.otlp.signals import LOGS, METRICS, TRACES, Signal

from .receiver import Received, Request

Behaviour = Callable[[Any, Any], Any]

SERVICES: dict[Signal, tuple[Any, Any]] = {
    TRACES: (trace_service_pb2.ExportTraceServiceRequest, trace_service_pb2.ExportTraceServiceResponse),
    METRICS: (metrics_service_pb2.ExportMetricsServiceRequest, metrics_service_pb2.ExportMetricsServiceResponse),
    LOGS: (logs_service_pb2.ExportLogsServiceRequest, logs_service_pb2.ExportLogsServiceResponse),
}


def ok(context: Any, response: Any) -> Any:
    """Take everything."""
    return response()


def partly(rejected: int, message: str) -> Behaviour:
    """Take the traces but for some."""

    def behave(context: Any, response: Any) -> Any:
        partial = trace_service_pb2.ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
        return trace_service_pb2.ExportTraceServiceResponse(partial_success=partial)

    return behave


def refuse(code: grpc.StatusCode, message: str = "", delay: Duration | None = None) -> Behaviour:
    """End the call with a code; ``delay`` goes into a RetryInfo."""

    def behave(context: Any, response: Any) -> Any:
        if delay is not None:
            packed = AnyMessage()
            packed.Pack(RetryInfo(retry_delay=delay))
            status = Status(code=code.value[0], message=message, details=[packed])
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, message)

    return behave


def bare(code: grpc.StatusCode) -> Behaviour:
    """End the call with RetryInfo that names no delay."""
    return refuse(code, delay=Duration())


class GrpcReceiver(Received):
    """Does what the script says, call by call; the last line of it for ever. ``port`` 0 lets the system choose."""

    def __init__(self, *script: Behaviour, address: str, credentials: Any = None) -> None:
        super().__init__()
        self.script = list(script) or [ok]
        self.server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        for signal, (request, response) in SERVICES.items():
            handler = grpc.unary_unary_rpc_method_handler(
                self._export(signal, response), request.FromString, response.SerializeToString
            )
            generic = grpc.method_handlers_generic_handler(signal.service, {"Export": handler})
            self.server.add_generic_rpc_handlers((generic,))
        if credentials is None:
            self.port = self.server.add_insecure_port(address)
        else:
            self.port = self.server.add_secure_port(address, credentials)

    def _export(self, signal: Signal, response: Any) -> Callable[[Any, Any], Any]:
        def export(message: Any, context: Any) -> Any:
            headers = {one.key: one.value for one in context.invocation_metadata()}
            self.take(Request(signal.path, headers, message))
            behave = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            return behave(context, response)

        return export


@contextmanager
def receiving_grpc(*script: Behaviour, address: str = "127.0.0.1:0", credentials: Any = None) -> Iterator[GrpcReceiver]:
    receiver = GrpcReceiver(*script, address=address, credentials=credentials)
    receiver.server.start()
    try:
        yield receiver
    finally:
        receiver.test_ended.set()
        receiver.server.stop(None).wait(5)
