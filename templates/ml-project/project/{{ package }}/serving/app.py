"""The API: `create_app()` is what uvicorn runs. It documents itself at /docs."""

from __future__ import annotations

import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from .. import __version__, settings
from ..monitoring.log import open_log
from ..monitoring.place import place_of
from . import inputs
from .holder import Holder
from .metrics import Measured, Metrics
from .version import git_commit
from .words import language_of, say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .holder import Model

_MOST_BYTES = 1_000_000

_said = logging.getLogger(__name__)


class Prediction(BaseModel):
    """The answer to one row."""

    price: float = Field(description="The predicted price, in Brazilian reais.", examples=[3245.5])


class Answer(BaseModel):
    """The answers, in the order of the rows."""

    predictions: list[Prediction]
    currency: str = "BRL"
    model: str = Field(description="The version of the model that answered.", examples=["3"])


class Problem(BaseModel):
    """What is wrong with one value. `row` counts from 1."""

    row: int
    column: str
    problem: str


class Refusal(BaseModel):
    """Why there is no answer, in words."""

    detail: str
    problems: list[Problem] = []


class Health(BaseModel):
    """Whether the model is there to be asked; if not, why."""

    status: str = Field(examples=["ok"])
    model: str = Field(examples=["ready"])


class Version(BaseModel):
    """What is running."""

    model: str = Field(description="The model's version: that of the registry, or of the packaged file.")
    source: str = Field(description="Where the model came from.")
    package: str
    git_commit: str


class _RefusedError(Exception):
    """A request that gets `status` and a `refusal` instead of an answer."""

    def __init__(self, status: int, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.status, self.refusal = status, refusal


def create_app() -> FastAPI:
    """Return the API, as the environment and `.env` say it: which model, and where predictions are logged."""
    found = settings.load()
    metrics = Metrics()
    holder = Holder(lambda: _load(found), metrics.model_is)
    log = open_log(place_of(found.prediction_log, found.root), metrics.lost.inc)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        holder.start()
        yield
        holder.stop()
        await run_in_threadpool(log.close)

    app = FastAPI(
        title=__package__.partition(".")[0].replace("_", " "),
        description="Send the raw columns, as the data has them; get prices in Brazilian reais.",
        version=__version__,
        lifespan=lifespan,
    )
    app.add_middleware(Measured, metrics=metrics)

    @app.exception_handler(_RefusedError)
    async def refused(_: Request, error: _RefusedError) -> JSONResponse:
        return JSONResponse(error.refusal.model_dump(), error.status)

    @app.post(
        "/predict",
        response_model=Answer,
        responses={413: {"model": Refusal}, 422: {"model": Refusal}, 503: {"model": Refusal}},
        openapi_extra={"requestBody": inputs.request_body()},
    )
    async def predict(request: Request) -> Answer:
        """Predict the price of one row (an object) or of up to a thousand (a list of objects)."""
        language = language_of(request.headers.get("accept-language", ""))
        rows = _checked(await _body(request, language), language)
        return await run_in_threadpool(answer, rows, language)

    def answer(rows: list[dict[str, str]], language: str) -> Answer:
        model = holder.model
        if model is None:
            word = "no_model" if holder.reason else "loading"
            raise _RefusedError(503, Refusal(detail=say(language, word, reason=holder.reason)))
        try:
            prices = [float(price) for price in model.predict(inputs.frame(rows))]
        except Exception:  # noqa: BLE001 - whatever a model raises
            # The words of an exception may show the server's insides; they are for its log.
            _said.exception("The model failed on %d rows", len(rows))
            raise _RefusedError(500, Refusal(detail=say(language, "failed"))) from None
        metrics.predicted(prices)
        log.write(rows, prices, model.version)
        return Answer(predictions=[Prediction(price=round(price, 2)) for price in prices], model=model.version)

    @app.get("/health", response_model=Health, responses={503: {"model": Health}})
    async def health(response: Response) -> Health:
        """Tell whether the API can answer: 503 as long as there is no model."""
        if holder.model is not None:
            return Health(status="ok", model="ready")
        response.status_code = 503
        return Health(status="unavailable", model=holder.reason or "loading")

    @app.get("/health/live", response_model=Health)
    async def live() -> Health:
        """Tell that the process is alive, with a model or without."""
        return Health(status="ok", model="ready" if holder.model is not None else holder.reason or "loading")

    @app.get("/version", response_model=Version)
    async def version() -> Version:
        """Tell which model, which package and which commit this is."""
        model = holder.model
        return Version(
            model=model.version if model else "",
            source=found.model_uri,
            package=__version__,
            git_commit=git_commit(),
        )

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def measured() -> Response:
        """Tell numbers to Prometheus: requests, their duration, predictions, the model's version."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    described = app.openapi

    def with_rows() -> dict[str, Any]:
        description = described()
        description["components"]["schemas"]["Row"] = inputs.row_schema()
        return description

    app.openapi = with_rows  # type: ignore[method-assign]
    return app


def _load(found: settings.Settings) -> Model:
    from .. import model

    # A whole path has no `:/` in it, except for one with the letter of a Windows disk, which `/` leaves as it is.
    return model.load(found.model_uri if ":/" in found.model_uri else found.root / found.model_uri)


async def _body(request: Request, language: str) -> object:
    """Return what the request says. Raises _RefusedError if it is too long or no JSON."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > _MOST_BYTES:
            raise _RefusedError(413, Refusal(detail=say(language, "too_large", most=_MOST_BYTES)))
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _RefusedError(422, Refusal(detail=say(language, "not_json", reason=error))) from None


def _checked(said: Any, language: str) -> list[dict[str, str]]:
    """Return the rows, each with all columns. Raises _RefusedError if one of them cannot be used."""
    given = [said] if isinstance(said, dict) else said
    if not isinstance(given, list) or not given:
        raise _RefusedError(422, Refusal(detail=say(language, "no_rows")))
    if len(given) > inputs.MOST_ROWS:
        raise _RefusedError(422, Refusal(detail=say(language, "too_many", most=inputs.MOST_ROWS, count=len(given))))
    rows, wrong = inputs.check(given, language)
    if wrong:
        problems = [Problem(row=one.row, column=one.column, problem=one.words) for one in wrong]
        count = len({one.row for one in wrong})
        raise _RefusedError(
            422, Refusal(detail=say(language, "problems", count=count, rows=len(given)), problems=problems)
        )
    return rows
