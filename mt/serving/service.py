"""Answers to requests, apart from how they are sent: the fields of a request, and what is done with them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest

from mt.config.search import with_n_best
from mt.quality.judge import Judge, with_alternatives
from mt.serving.batching import Options
from mt.serving.files import TranslatedFiles, read_file, suffix_of, translated_name, write_file
from mt.serving.models import AUTO, Direction, Models, Served
from mt.text.documents.web_page import WebPage
from mt.text.languages import has_spaces
from mt.text.markup import join_tags
from mt.translation.documents import requests_for
from mt.translation.pipeline import Request
from mt.translation.result import Translation

T = TypeVar("T")
MAX_HYPOTHESES = 20
MAX_TEXTS = 1000
DIVERSITY = 1.0
"""strength of diverse beam search for continuations that are to differ"""
WATCH_SECONDS = 0.1
"""between looks whether the client still waits"""
GONE = 499
"""the status, seen in metrics alone, of a request whose client has left"""
ENDING = 503
"""the status of a request that takes longer than the server goes on after a signal"""


@dataclass(frozen=True)
class Limits:
    """Limits and credentials for the requests of clients."""

    max_characters: int = 5000
    """characters of all texts of a request together"""
    max_file_characters: int = 100_000
    """characters of the text of a file"""
    api_key: str | None = None


class SimpleRequest(BaseModel):
    """A request of LibreTranslate's clients."""

    model_config = ConfigDict(extra="ignore")
    q: str | list[str]
    source: str = AUTO
    target: str
    format: str = Field("text", pattern="^(text|html)$")
    alternatives: int = Field(0, ge=0, lt=MAX_HYPOTHESES)
    api_key: str | None = None


class FileRequest(BaseModel):
    """The options of a file that is to be translated."""

    source: str = AUTO
    target: str
    api_key: str | None = None


class DetectRequest(BaseModel):
    """A request to identify the language of a text."""

    q: str
    api_key: str | None = None


class FullRequest(BaseModel):
    """A request with everything that the search offers."""

    model_config = ConfigDict(extra="forbid")
    texts: list[str] = Field(max_length=MAX_TEXTS)
    source: str | None = None
    target: str | None = None
    n_best: int = Field(1, ge=1, le=MAX_HYPOTHESES)
    beam_size: int | None = Field(None, ge=1, le=MAX_HYPOTHESES)
    prefix: str = ""
    diverse: bool = False
    markup: bool = False
    align: bool = False
    quality: bool = False
    tag: str | None = None


@dataclass(frozen=True)
class Service:
    """Answers requests with the models."""

    models: Models
    limits: Limits
    files: TranslatedFiles = field(default_factory=TranslatedFiles)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    """one file is read at a time: it may take much more memory than its bytes"""

    def check_key(self, http: HttpRequest, key: str | None) -> None:
        """Refuse a request without the key, if there is one: as the field `api_key`, or as a bearer token."""
        scheme, _, token = http.headers.get("authorization", "").partition(" ")
        bearer = token.strip().encode("latin-1") if scheme.lower() == "bearer" else b""  # the bytes that were sent
        given = key.encode("utf-8", "replace") if key else bearer
        if self.limits.api_key and not secrets.compare_digest(given, self.limits.api_key.encode()):
            raise HTTPException(403, "The API key is missing or wrong.")

    def check_texts(self, texts: list[str], max_characters: int | None = None) -> None:
        """Refuse texts that are too long together, or that are no text."""
        n_characters, allowed_characters = sum(map(len, texts)), max_characters or self.limits.max_characters
        if n_characters > allowed_characters:
            allowed = f"at most {allowed_characters:,} are allowed"
            raise HTTPException(413, f"The text has {n_characters:,} characters: {allowed}.")
        try:
            "".join(texts).encode()
        except UnicodeEncodeError as error:
            raise HTTPException(400, "The text has half of a surrogate pair, which is no character.") from error

    async def translate(
        self, http: HttpRequest, direction: Direction, texts: list[str], request: Request, tag: str | None = None
    ) -> list[list[list[Translation]]]:
        """Return, for each line of each text, its translations, best first."""
        if request.markup:
            texts = [join_tags(text) for text in texts]
        lines = [text.split("\n") for text in texts]
        served = direction.served
        langs: tuple[str | None, str | None] = direction.pair if served.is_multilingual else (None, None)
        work = served.batcher.translate([one for text in lines for one in text], Options(request, *langs, tag))
        found = await while_connected(http, work)
        each = iter(found)
        return [[next(each) for _ in text] for text in lines]

    async def simple(self, http: HttpRequest, asked: SimpleRequest) -> dict[str, Any]:
        """Answer as LibreTranslate does: a text for a text, a list for a list."""
        self.check_key(http, asked.api_key)
        texts = [asked.q] if isinstance(asked.q, str) else asked.q
        self.check_texts(texts)
        identified = self.models.identify(" ".join(texts), asked.target) if asked.source == AUTO else None
        direction = self.models.find(identified[0] if identified else asked.source, asked.target)
        ranked = await (self.pages if asked.format == "html" else self.plain)(
            http, direction, texts, asked.alternatives
        )
        single = isinstance(asked.q, str)
        answer: dict[str, Any] = {"translatedText": ranked[0][0] if single else [text[0] for text in ranked]}
        if asked.alternatives:
            others = [[one for one in dict.fromkeys(text[1:]) if one != text[0]] for text in ranked]
            answer["alternatives"] = others[0] if single else others
        if identified:
            language = {"language": identified[0], "confidence": identified[1]}
            answer["detectedLanguage"] = language if single else [language for _ in texts]
        return answer

    async def plain(
        self, http: HttpRequest, direction: Direction, texts: list[str], alternatives: int
    ) -> list[list[str]]:
        """Return the translations of each text, best first."""
        request = self.request(direction.served, alternatives + 1, markup=False)
        found = await self.translate(http, direction, texts, request)
        return [["\n".join(of_rank(line, rank) for line in text) for rank in range(alternatives + 1)] for text in found]

    async def pages(
        self, http: HttpRequest, direction: Direction, texts: list[str], alternatives: int
    ) -> list[list[str]]:
        """Return the translations of each piece of HTML, best first."""
        pages = [WebPage(text) for text in texts]
        request = self.request(direction.served, alternatives + 1, markup=True)
        each = iter(await self.translate(http, direction, [text for page in pages for text in page.texts], request))
        ranked = []
        for page in pages:
            lines = [next(each)[0] for _ in page.texts]
            ranked.append([page.fill([of_rank(line, rank) for line in lines]) for rank in range(alternatives + 1)])
        return ranked

    async def file(self, http: HttpRequest, asked: FileRequest, name: str, content: bytes) -> str:
        """Translate a file, and return the key by which the translation can be fetched."""
        self.check_key(http, asked.api_key)
        async with self.reading:
            document = await asyncio.to_thread(read_file, name, content)
        self.check_texts(document.texts, self.limits.max_file_characters)
        direction = self.models.find_for("\n".join(document.texts), asked.source, asked.target)
        translator = direction.served.batcher.translator
        translations = [""] * len(document.texts)
        for request, numbers in await asyncio.to_thread(requests_for, document, translator.defaults):
            texts = [document.texts[number] for number in numbers]
            found = await self.translate(http, direction, texts, replace(request, quiet=True))
            for number, lines in zip(numbers, found, strict=True):
                translations[number] = "\n".join(line[0].text for line in lines)
        spaced = has_spaces(direction.target)
        written = await asyncio.to_thread(write_file, document, translations, suffix_of(name), spaced)
        return self.files.add(translated_name(name, direction.target), written)

    async def full(self, http: HttpRequest, asked: FullRequest) -> dict[str, Any]:
        """Answer with scores, pieces and, if wanted, alignments."""
        self.check_key(http, None)
        self.check_texts([*asked.texts, *[asked.prefix] * len(asked.texts)])  # a prefix takes time for each text
        if asked.markup and asked.align:
            raise HTTPException(422, "The words of a text with markup are not aligned: omit align.")
        if asked.quality and (asked.markup or asked.prefix or asked.diverse):
            raise HTTPException(422, "quality is for plain lines: omit markup, prefix and diverse.")
        direction = self.models.find_for(" ".join(asked.texts), asked.source, asked.target)
        request = replace(
            self.request(direction.served, asked.n_best, asked.markup, asked.beam_size), prefix=asked.prefix,
            align=asked.align, scored=True,
        )  # fmt: skip
        if asked.diverse:
            search = replace(request.search, diverse_groups=request.search.beam_size, diversity=DIVERSITY)
            request = replace(request, search=search)
        if asked.quality:
            judge = judge_of(direction)
            search = with_alternatives(request.search, judge.estimator)
            request = replace(request, search=search)
        found = await self.translate(http, direction, asked.texts, request, asked.tag)
        if asked.quality:
            lines = [text.split("\n") for text in asked.texts]
            found = [await asyncio.to_thread(judge.judge, *one, asked.n_best) for one in zip(lines, found, strict=True)]
        results = [{"lines": [[as_row(one) for one in line] for line in text]} for text in found]
        source, target = direction.pair
        return {"model": direction.served.name, "source": source, "target": target, "results": results}

    def request(self, served: Served, n_best: int, markup: bool, beam_size: int | None = None) -> Request:
        """Return how a model is asked for so many translations."""
        search = served.batcher.translator.defaults
        search = with_n_best(replace(search, beam_size=beam_size or search.beam_size), n_best)
        return Request(search, markup=markup, split=not search.required, scored=n_best > 1, quiet=True)


def of_rank(line: list[Translation], rank: int) -> str:
    """Return the translation of this rank, or the last one if there are fewer."""
    return line[min(rank, len(line) - 1)].text


def judge_of(direction: Direction) -> Judge:
    """Return what adds the quality to translations in a direction of a model."""
    served, pair = direction.served, direction.pair
    if served.estimator is None or pair != served.own_pair:
        raise HTTPException(
            422, f"The quality of {served.name} has not been calibrated from {pair[0]} to {pair[1]}: omit quality."
        )
    return Judge(served.estimator, served.batcher.translator.tokenizer)


def as_row(translation: Translation) -> dict[str, Any]:
    """Return a translation as it is written in an answer."""
    row = translation.as_row()
    if translation.alignment is not None:
        row["alignment"] = translation.alignment
        row["source_words"], row["target_words"] = translation.words or ([], [])
    return row


async def while_connected(http: HttpRequest, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of some work, unless the client leaves before; then the work is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=WATCH_SECONDS))[0]:
            if await http.is_disconnected():
                raise HTTPException(GONE, "The client has left.")
        return task.result()
    except asyncio.CancelledError:
        raise HTTPException(ENDING, "The server is ending.") from None
    finally:
        task.cancel()
