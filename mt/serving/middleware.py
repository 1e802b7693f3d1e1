"""Middleware for every request: its size is limited, its answer gets headers, and its time is measured."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BYTES_PER_CHARACTER = 12
"""size of a character in a JSON text in which each is escaped as a pair of surrogates"""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class TooLarge(Exception):
    """The body of a request exceeds the limit."""


class LimitBody:
    """Ends requests with too large a body by 413, before the whole body is in memory."""

    def __init__(self, app: ASGIApp, max_bytes: int, of_paths: Mapping[str, int]) -> None:
        """`max_bytes` of a body, and other limits for some paths."""
        self.app = app
        self.max_bytes = max_bytes
        self.of_paths = of_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count its bytes."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        n_bytes, has_begun = 0, False
        max_bytes = self.of_paths.get(scope["path"], self.max_bytes)

        async def counting() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > max_bytes:
                raise TooLarge
            return message

        async def sending(message: Message) -> None:
            nonlocal has_begun
            if has_begun or n_bytes <= max_bytes:  # else the application says that it could not read the body
                has_begun = True
                await send(message)

        with suppress(TooLarge):
            await self.app(scope, counting, sending)
        if n_bytes > max_bytes and not has_begun:
            await JSONResponse({"error": "The request is too long."}, 413)(scope, receive, send)


class AddHeaders:
    """Adds `HEADERS` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add to its answer."""

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *own]
            await send(message)

        await self.app(scope, receive, adding)


class Measure:
    """Counts requests and their seconds, by path and status."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self.app = app
        self.requests = Counter("mt_requests", "Requests, by path and status.", ["path", "status"], registry=registry)
        self.seconds = Histogram(
            "mt_request_seconds", "Seconds until the answer, by path.", ["path"], registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and measure it."""
        start, status = time.perf_counter(), 500

        async def watching(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, watching)
        finally:
            if scope["type"] == "http":
                path = getattr(scope.get("route"), "path", "page")
                self.requests.labels(path, status).inc()
                self.seconds.labels(path).observe(time.perf_counter() - start)
