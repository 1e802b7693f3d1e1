"""The HTTP interface: that of LibreTranslate, a richer one under /v1, a page, and metrics for Prometheus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote

from fastapi import FastAPI, Form, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest

from mt import __version__
from mt.errors import UserError
from mt.serving.batching import QueueFull
from mt.serving.files import MAX_FILE_BYTES, SUFFIXES
from mt.serving.middleware import BYTES_PER_CHARACTER, AddHeaders, LimitBody, Measure
from mt.serving.models import AUTO, Models
from mt.serving.service import DetectRequest, FileRequest, FullRequest, Limits, Service, SimpleRequest
from mt.text.language_names import language_name


class Failure(BaseModel):
    """The answer to a request that cannot be granted."""

    error: str


REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Failure, "description": "a field is missing or wrong, or there is no model for these languages"},
    403: {"model": Failure, "description": "the key is missing or wrong"},
    413: {"model": Failure, "description": "the text is too long"},
    422: {"model": Failure, "description": "the fields contradict each other"},
    429: {"model": Failure, "description": "too many requests are waiting; `Retry-After` says when to come back"},
    500: {"model": Failure, "description": "a fault of the server, which is in its log"},
    503: {"model": Failure, "description": "the server is ending"},
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {
        "description": "there is no such file",
        "content": {"application/json": {"schema": Failure.model_json_schema()}},
    }
}


class Download(Response):
    """A file."""

    media_type = "application/octet-stream"


def create_app(models: Models, limits: Limits) -> FastAPI:
    """Build the application."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        for one in models.served:
            await one.batcher.close()

    app = FastAPI(title="mt", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    service = Service(models, limits)
    add_translation(app, service)
    add_files(app, service)
    add_facts(app, service)
    add_errors(app)
    registry = add_metrics(app, models)
    page = resources.files("mt.serving") / "page"
    app.mount("/", StaticFiles(directory=str(page), html=True))
    max_bytes = BYTES_PER_CHARACTER * limits.max_characters + 10_000
    app.add_middleware(LimitBody, max_bytes=max_bytes, of_paths={"/translate_file": MAX_FILE_BYTES})
    app.add_middleware(AddHeaders)
    app.add_middleware(Measure, registry=registry)
    return app


def add_translation(app: FastAPI, service: Service) -> None:
    """Add what is asked about texts."""

    @app.post("/translate", openapi_extra=body_of(SimpleRequest), responses=REFUSALS)
    async def translate(http: HttpRequest) -> dict[str, Any]:
        return await service.simple(http, SimpleRequest.model_validate(await read_fields(http)))

    @app.post("/detect", openapi_extra=body_of(DetectRequest), responses=REFUSALS)
    async def detect(http: HttpRequest) -> list[dict[str, Any]]:
        asked = DetectRequest.model_validate(await read_fields(http))
        service.check_key(http, asked.api_key)
        service.check_texts([asked.q])
        language, confidence = service.models.identify(asked.q)
        return [{"language": language, "confidence": confidence}]

    @app.post("/v1/translate", responses=REFUSALS)
    async def translate_fully(http: HttpRequest, asked: FullRequest) -> dict[str, Any]:
        return await service.full(http, asked)


def add_files(app: FastAPI, service: Service) -> None:
    """Add what is done with files."""

    @app.post("/translate_file", responses=REFUSALS)
    async def translate_file(
        http: HttpRequest,
        file: UploadFile,
        target: Annotated[str, Form()],
        source: Annotated[str, Form()] = AUTO,
        api_key: Annotated[str | None, Form()] = None,
    ) -> dict[str, str]:
        asked = FileRequest(source=source, target=target, api_key=api_key)
        key = await service.file(http, asked, file.filename or "", await file.read())
        return {"translatedFileUrl": str(http.url_for("download_file", key=key))}

    @app.get("/download_file/{key}", response_class=Download, responses=NOT_FOUND)
    async def download_file(key: str) -> Response:
        if key not in service.files.files:
            raise HTTPException(404, "There is no such file, or it has been forgotten.")
        name, content = service.files.files[key]
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
        return Download(content, headers=headers)


def add_facts(app: FastAPI, service: Service) -> None:
    """Add what is asked about the server."""
    models, limits = service.models, service.limits

    @app.get("/languages")
    async def languages() -> list[dict[str, Any]]:
        return [
            {"code": source, "name": language_name(source), "targets": models.targets(source)}
            for source in models.sources
        ]

    @app.get("/frontend/settings")
    async def settings() -> dict[str, Any]:
        first = models.find(None, None)
        return {
            "apiKeys": limits.api_key is not None, "keyRequired": limits.api_key is not None,
            "charLimit": limits.max_characters, "frontendTimeout": 300, "filesTranslation": True, "suggestions": False,
            "supportedFilesFormat": list(SUFFIXES),
            "calibrated": [
                {"source": one.own_pair[0], "target": one.own_pair[1]} for one in models.served if one.estimator
            ],
            "language": {
                "source": {"code": first.source, "name": language_name(first.source)},
                "target": {"code": first.target, "name": language_name(first.target)},
            },
        }  # fmt: skip

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the description of a body that may be JSON or a form, as LibreTranslate's clients send either."""
    schema = {"schema": model.model_json_schema()}
    content = dict.fromkeys(("application/json", "application/x-www-form-urlencoded"), schema)
    return {"requestBody": {"required": True, "content": content}}


async def read_fields(http: HttpRequest) -> Mapping[str, Any]:
    """Return the fields of a JSON body or of a form."""
    if "json" in http.headers.get("content-type", ""):
        try:
            fields = await http.json()
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, f"The body is not JSON: {error}.") from error
        if not isinstance(fields, dict):
            raise HTTPException(400, "The body is not a JSON object.")
        return fields
    if "multipart/" in http.headers.get("content-type", ""):
        return {key: value for key, value in (await http.form()).items() if isinstance(value, str)}
    try:  # Starlette would read bytes that curl's -d sends as they are as Latin-1
        pairs = parse_qsl((await http.body()).decode(), keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError as error:
        raise HTTPException(400, f"The body is not a form in UTF-8, or has too many fields: {error}.") from error
    return dict(pairs)


def add_errors(app: FastAPI) -> None:
    """Answer errors with JSON that says what is wrong."""

    def answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
        valid = message.encode("utf-8", "replace").decode()  # a request may quote half of a surrogate pair
        return JSONResponse({"error": valid}, status, headers)

    @app.exception_handler(HTTPException)
    async def refused(http: HttpRequest, error: HTTPException) -> Response:
        return answer(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(ValidationError)
    async def invalid(http: HttpRequest, error: RequestValidationError | ValidationError) -> Response:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if part != "body")
        return answer(400, f"{key}: {first['msg']}.")

    @app.exception_handler(UserError)
    async def impossible(http: HttpRequest, error: UserError) -> Response:
        return answer(400, str(error))

    @app.exception_handler(Exception)
    async def failed(http: HttpRequest, error: Exception) -> Response:
        return answer(500, "The server failed at this request; its log says why.")

    @app.exception_handler(QueueFull)
    async def full(http: HttpRequest, error: QueueFull) -> Response:
        return answer(429, "Too many requests are waiting: try again in a second.", {"Retry-After": "1"})


def add_metrics(app: FastAPI, models: Models) -> CollectorRegistry:
    """Add the metrics for Prometheus, and return the registry for those of requests."""
    registry = CollectorRegistry()
    waiting = Gauge("mt_waiting_lines", "Lines that wait to be translated.", registry=registry)
    waiting.set_function(lambda: sum(one.batcher.n_waiting for one in models.served))

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return registry
