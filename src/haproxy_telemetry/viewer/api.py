"""The API: Jaeger's in its versions 1 and 3, and the page's own. Each answer is made in a thread, off the loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from time import time_ns
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haproxy_telemetry.viewer import jaeger
from haproxy_telemetry.viewer.chrome import trace_events
from haproxy_telemetry.viewer.otlpjson import traces_data
from haproxy_telemetry.viewer.queries import (
    MANY,
    MAX_NS,
    QueryError,
    jaeger_search,
    page_search,
    parse_duration,
    parse_number,
    parse_trace_id,
    v3_search,
)
from haproxy_telemetry.viewer.spans import StoredSpan
from haproxy_telemetry.viewer.store import Store
from haproxy_telemetry.viewer.terms import kind_name

READERS: Final = 4
"""Answers that are made at once: each may hold a trace of many megabytes."""

MAX_SPANS: Final = 20_000
"""Spans of an answer with several traces, which takes some 10 kB of memory for each; one trace is whole in any case."""

LOOKBACK_MS: Final = 7 * 86_400_000
INVALID_ARGUMENT, NOT_FOUND, INTERNAL = 3, 5, 13  # google.rpc.Code

Answer = tuple[int, Any]
Make = Callable[[Request], Answer]


class NotFoundError(Exception):
    """A trace that is not here."""


class Api:
    """Answers out of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._readers = asyncio.Semaphore(READERS)

    def routes(self) -> list[Route]:
        """Return all routes of the API but for the live stream and the status."""
        return [
            *self._jaeger_routes(),
            self._route("/api/v3/services", self._v3_services, _v3_error),
            self._route("/api/v3/operations", self._v3_operations, _v3_error),
            self._route("/api/v3/traces", self._v3_traces, _v3_error),
            self._route("/api/v3/traces/{trace_id}", self._v3_trace, _v3_error),
            self._route("/api/v3/trace-summaries", self._v3_summaries, _v3_error),
            self._route("/api/v3/dependencies", self._v3_dependencies, _v3_error),
            self._route("/api/viewer/traces", self._page_traces, _v1_error),
            self._route("/api/viewer/graph", self._page_graph, _v1_error),
            self._route("/api/viewer/traces/{trace_id}/download", self._download, _v1_error, "otlp"),
            self._route("/api/viewer/traces/{trace_id}/perfetto", self._perfetto, _v1_error, "perfetto"),
        ]

    def _jaeger_routes(self) -> list[Route]:
        return [
            self._route("/api/services", self._services, _v1_error),
            self._route("/api/services/{service:path}/operations", self._service_operations, _v1_error),
            self._route("/api/operations", self._operations, _v1_error),
            self._route("/api/traces", self._traces, _v1_error),
            self._route("/api/traces/{trace_id}", self._trace, _v1_error),
            self._route("/api/dependencies", self._dependencies, _v1_error),
        ]

    def _route(self, path: str, make: Make, explain: Callable[[int, str], Any], download: str = "") -> Route:
        async def endpoint(request: Request) -> Response:
            async with self._readers:
                return await asyncio.to_thread(_respond, request, make, explain, download)

        return Route(path, endpoint, methods=["GET"])

    # Jaeger, version 1

    def _services(self, _: Request) -> Answer:
        return 200, jaeger.answer(self._store.services())

    def _service_operations(self, request: Request) -> Answer:
        names = dict.fromkeys(name for name, _ in self._store.operations(request.path_params["service"]))
        return 200, jaeger.answer(list(names))

    def _operations(self, request: Request) -> Answer:
        wanted = request.query_params.get("spanKind", "")
        return 200, jaeger.answer(_operations(self._store, _needed(request, "service"), wanted))

    def _traces(self, request: Request) -> Answer:
        asked = request.query_params
        total = None
        if "traceID" in asked:
            ids = dict.fromkeys(parse_trace_id(text) for text in asked.getlist("traceID")[:100])
        else:
            found = self._store.search(jaeger_search(asked, time_ns(), {name: asked.getlist(name) for name in MANY}))
            ids, total = dict.fromkeys(found.ids), found.total
        traces = [jaeger.trace_json(trace_id.hex(), spans) for trace_id, spans in self._bounded(ids)]
        return 200, jaeger.answer(traces, total=total)

    def _trace(self, request: Request) -> Answer:
        trace_id, spans = self._found(request)
        return 200, jaeger.answer([jaeger.trace_json(trace_id, spans)])

    def _dependencies(self, request: Request) -> Answer:
        asked = request.query_params
        end = parse_number("endTs", asked["endTs"], scale=10**6) if asked.get("endTs") else MAX_NS
        lookback = parse_number("lookback", asked.get("lookback") or str(LOOKBACK_MS), scale=10**6)
        _, calls = self._store.graph(max(0, min(end, time_ns()) - lookback), end)
        links = [{"parent": caller, "child": callee, "callCount": count} for caller, callee, count, _ in calls]
        return 200, jaeger.answer(links)

    # Jaeger, version 3

    def _v3_services(self, _: Request) -> Answer:
        return 200, {"services": self._store.services()}

    def _v3_operations(self, request: Request) -> Answer:
        wanted = request.query_params.get("spanKind") or request.query_params.get("span_kind") or ""
        return 200, {"operations": _operations(self._store, _needed(request, "service"), wanted)}

    def _v3_traces(self, request: Request) -> Answer:
        found = self._store.search(v3_search(request.query_params))
        if not found.ids:
            return 404, jaeger.v3_error(404, "No traces found", NOT_FOUND)
        return 200, {"result": traces_data(span for _, spans in self._bounded(found.ids) for span in spans)}

    def _v3_trace(self, request: Request) -> Answer:
        return 200, {"result": traces_data(self._found(request)[1])}

    def _v3_summaries(self, request: Request) -> Answer:
        found = self._store.search(v3_search(request.query_params))
        return 200, {"summaries": [jaeger.v3_summary(summary) for summary in found.summaries]}

    def _v3_dependencies(self, request: Request) -> Answer:  # noqa: ARG002 (as all of them)
        _, calls = self._store.graph(0, MAX_NS)
        return 200, {
            "dependencies": [
                {"parent": caller, "child": callee, "callCount": str(count)} for caller, callee, count, _ in calls
            ]
        }

    # The page

    def _page_traces(self, request: Request) -> Answer:
        found = self._store.search(page_search(request.query_params))
        return 200, {"traces": found.summaries, "total": found.total}

    def _page_graph(self, request: Request) -> Answer:
        lookback = request.query_params.get("lookback", "")
        start = max(0, time_ns() - parse_duration("lookback", lookback)) if lookback else 0
        nodes, calls = self._store.graph(start, MAX_NS)
        return 200, {
            "nodes": [{"service": name, "spans": spans, "errors": errors} for name, spans, errors in nodes],
            "edges": [
                {"from": caller, "to": callee, "calls": count, "errors": errors}
                for caller, callee, count, errors in calls
            ],
        }

    def _download(self, request: Request) -> Answer:
        return 200, traces_data(self._found(request)[1])

    def _perfetto(self, request: Request) -> Answer:
        return 200, trace_events(self._found(request)[1])

    def _bounded(self, ids: Iterable[bytes]) -> Iterator[tuple[bytes, list[StoredSpan]]]:
        """Yield the traces in their order, each whole, until an answer has no room for the next."""
        held = 0
        for trace_id in ids:
            spans = self._store.trace(trace_id)
            if held and held + len(spans) > MAX_SPANS:
                return
            held += len(spans)
            if spans:
                yield trace_id, spans

    def _found(self, request: Request) -> tuple[str, list[StoredSpan]]:
        trace_id = parse_trace_id(request.path_params["trace_id"])
        spans = self._store.trace(trace_id)
        if not spans:
            raise NotFoundError
        return trace_id.hex(), spans


def json_response(status: int, data: object) -> Response:
    """Return JSON, as bytes of UTF-8 whatever a peer sent: half a surrogate is escaped."""
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Response(body.encode("utf-8", "replace"), status, media_type="application/json")


def _respond(request: Request, make: Make, explain: Callable[[int, str], Any], download: str) -> Response:
    try:
        status, data = make(request)
    except QueryError as error:
        status, data = 400, explain(400, str(error))
    except NotFoundError:
        status, data = 404, explain(404, "trace not found")
    response = json_response(status, data)
    if download and status == 200:
        name = f"trace-{parse_trace_id(request.path_params['trace_id']).hex()}-{download}.json"
        response.headers["content-disposition"] = f'attachment; filename="{name}"'
    return response


def _v1_error(status: int, message: str) -> Any:
    return jaeger.error_answer(status, message)


def _v3_error(status: int, message: str) -> Any:
    return jaeger.v3_error(status, message, NOT_FOUND if status == 404 else INVALID_ARGUMENT)


def _needed(request: Request, name: str) -> str:
    value = request.query_params.get(name, "")
    if not value:
        raise QueryError(name, value, "expected the name of a service")
    return value


def _operations(store: Store, service: str, wanted: str) -> list[dict[str, str]]:
    found = [(name, kind_name(kind)) for name, kind in store.operations(service)]
    return [{"name": name, "spanKind": kind} for name, kind in found if wanted in ("", kind)]
