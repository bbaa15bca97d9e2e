"""The viewer as one ASGI application: OTLP in, the API, the live stream, the page, behind the guard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from haproxy_telemetry import __version__
from haproxy_telemetry.viewer.agentwatch import AgentWatch
from haproxy_telemetry.viewer.api import Api, json_response
from haproxy_telemetry.viewer.guard import Guard
from haproxy_telemetry.viewer.intake import Intake
from haproxy_telemetry.viewer.jaeger import error_answer
from haproxy_telemetry.viewer.live import Hub, LiveStream, TooManyClientsError
from haproxy_telemetry.viewer.spans import Summary
from haproxy_telemetry.viewer.statics import INDEX, StaticFile, read_files
from haproxy_telemetry.viewer.store import Store
from haproxy_telemetry.viewer.summary import summary_json
from haproxy_telemetry.viewer.writer import Writer

# Addresses of the page itself: it finds out by its script what to show.
PAGES: Final = ("/", "/search", "/trace/{trace_id}", "/graph", "/status")
OTLP_PATH: Final = "/v1/traces"


class Viewer:
    """The parts that live as long as the process. Made on the loop; ``close`` writes what waits."""

    def __init__(
        self,
        store: Store,
        *,
        agent: str = "",
        hosts: Sequence[str] = (),
        otlp_ports: Sequence[int] = (),
        told: Callable[[Sequence[Summary]], None] | None = None,
    ) -> None:
        """``otlp_ports`` take OTLP and nothing else; ``told`` hears of traces that are new or grew, on the loop."""
        self._told = told
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._watch = AgentWatch(agent)
        self.hub = Hub(self._own_status)
        self._writer = Writer(store, self._changed)
        self._intake = Intake(self._writer)
        self._files = read_files()
        self.app: ASGIApp = Guard(_OnlyOtlp(self._starlette(), otlp_ports), hosts, self._refused)

    def close(self) -> None:
        """End the writer and the store. Blocks."""
        self._writer.close()
        self._store.close()

    def _starlette(self) -> Starlette:
        return Starlette(
            routes=[
                Route(OTLP_PATH, self._intake.post, methods=["POST"]),
                Route(OTLP_PATH, self._intake.refuse_method, methods=["GET", "PUT", "PATCH", "DELETE", "OPTIONS"]),
                *Api(self._store).routes(),
                Route("/api/viewer/status", self._status, methods=["GET"]),
                Route("/api/viewer/live", self._live, methods=["GET"]),
                *(Route(path, self._page, methods=["GET"]) for path in PAGES),
                Route("/static/{path:path}", self._file, methods=["GET"]),
            ],
            exception_handlers={HTTPException: _http_error, Exception: _server_error},
        )

    # In the writer's thread

    def _changed(self, summaries: Sequence[Summary]) -> None:
        lines = [(summary.trace_id, summary_json(summary)) for summary in summaries]
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self.hub.publish, lines)
            if self._told is not None:
                self._loop.call_soon_threadsafe(self._told, summaries)

    # On the loop

    def _refused(self, reason: str) -> None:
        self._intake.received.rejected[reason] += 1

    def _own_status(self) -> dict[str, object]:
        totals = self._store.totals
        return {
            "version": __version__,
            "spans": totals.spans,
            "traces": totals.traces,
            "bytes": totals.bytes,
            "limits": asdict(self._store.limits),
            "clients": self.hub.clients,
            "received": self._intake.received.as_json(),
        }

    async def _status(self, _: Request) -> Response:
        agent, error = await self._watch.look()
        return json_response(200, {"viewer": self._own_status(), "agent": agent, "agentError": error})

    async def _live(self, _: Request) -> LiveStream | Response:
        try:
            return LiveStream(self.hub, self.hub.open())
        except TooManyClientsError:
            return json_response(503, error_answer(503, "too many pages listen already"))

    async def _page(self, request: Request) -> Response:
        return self._send_file(request, self._files.get(INDEX))

    async def _file(self, request: Request) -> Response:
        return self._send_file(request, self._files.get(request.path_params["path"]))

    @staticmethod
    def _send_file(request: Request, file: StaticFile | None) -> Response:
        if file is None:
            return json_response(404, error_answer(404, "there is no such file"))
        headers = {"etag": file.etag, "cache-control": "no-cache"}
        if file.etag in [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers=headers)
        return Response(file.body, headers={**headers, "content-type": file.content_type})


class _OnlyOtlp:
    """Keeps everything but OTLP off the ports that are for OTLP."""

    def __init__(self, app: ASGIApp, ports: Sequence[int]) -> None:
        self._app = app
        self._ports = frozenset(ports)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = scope.get("server") or ("", None)
        if scope["type"] == "http" and server[1] in self._ports and scope["path"] != OTLP_PATH:
            response = json_response(404, error_answer(404, f"only {OTLP_PATH} is here"))
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = json_response(error.status_code, error_answer(error.status_code, error.detail))
    response.headers.update(error.headers or {})
    return response


def _server_error(_: Request, error: Exception) -> Response:  # noqa: ARG001 (starlette's signature; uvicorn logs it)
    return json_response(500, error_answer(500, "internal error, please report it"))
