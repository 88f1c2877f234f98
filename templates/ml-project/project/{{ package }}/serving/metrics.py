"""What Prometheus is told. https://prometheus.io/docs/practices/naming/"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .holder import Model

# Prices span two orders of magnitude, so their classes grow by a factor.
_PRICES = (500, 1000, 2000, 3000, 5000, 8000, 13000, 21000, 34000, 55000)

_METHODS = ("GET", "HEAD", "POST")


class Metrics:
    """The numbers of one API. `lost`: times that predictions could not be written to their log."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "path", "status")
        self.requests = Counter("http_requests_total", "Requests.", labels, registry=self._registry)
        self.seconds = Histogram(
            "http_request_duration_seconds", "How long requests took.", labels[:2], registry=self._registry
        )
        self.lost = Counter("prediction_log_failures_total", "Failures to log predictions.", registry=self._registry)
        self._prices = Histogram("predicted_price_brl", "Predicted prices.", buckets=_PRICES, registry=self._registry)
        self._model = Gauge("model_info", "The model that answers.", ("version",), registry=self._registry)

    def predicted(self, prices: Sequence[float]) -> None:
        """Count predictions."""
        for price in prices:
            self._prices.observe(price)

    def model_is(self, model: Model) -> None:
        """Note which model answers from now on."""
        self._model.clear()
        self._model.labels(model.version).set(1)

    def text(self) -> bytes:
        """Return all of it in Prometheus's text format."""
        return generate_latest(self._registry)


class Measured:
    """Middleware that counts requests and their duration; it looks into no body."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and measure it. https://asgi.readthedocs.io/en/latest/specs/main.html"""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        begun = time.perf_counter()
        try:
            await self._app(scope, receive, sent)
        finally:
            # What nobody serves shares a label: a scanner would make thousands of them.
            path = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.seconds.labels(method, path).observe(time.perf_counter() - begun)
            self._metrics.requests.labels(method, path, str(status)).inc()
