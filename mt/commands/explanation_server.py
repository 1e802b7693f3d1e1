"""The page of `mt explain` in a browser, with a box for another sentence.

One person uses it, on one machine, so the standard library's server is enough; `http.server` has no limits and no
encryption and must not be reachable from outside.
"""

import argparse
import logging
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mt.commands.explained import choose_head, explain_sentence, render_page
from mt.errors import UserError
from mt.translation.explanation import PARTS
from mt.translation.translator import Translator

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
LOCAL_NAMES = (HOST, "localhost")
IDLE_SECONDS = 3.0
"""that a connection may be silent: browsers open some in advance, and the server ends when all have ended"""


@dataclass
class ExplanationService:
    """Answers requests with pages, one at a time."""

    translator: Translator
    part: str
    layer: int | None
    head: int
    sentence: str
    """what the first page shows; may be empty"""

    def __post_init__(self) -> None:
        choose_head(self.translator, self.part, self.layer, self.head)  # fails now instead of in the browser
        self.lock = threading.Lock()  # the model records attention, so it can serve only one request

    def answer(self, query: str) -> tuple[HTTPStatus, str]:
        """Return the page for the query of an address, such as `sentence=…&part=encoder&layer=1&head=1`."""
        asked = {key: values[0] for key, values in parse_qs(query, keep_blank_values=True).items()}
        sentence, langs = asked.get("sentence", self.sentence), self.translator.langs
        if not sentence.strip():
            return HTTPStatus.OK, render_page(langs, "", served=True)
        try:
            part = asked.get("part", self.part)
            if part not in PARTS:
                raise UserError(f"part={part}: a model has the parts {', '.join(PARTS)}.")
            layer = whole_number("layer", asked["layer"]) if "layer" in asked else self.layer
            number = whole_number("head", asked["head"]) if "head" in asked else self.head
            with self.lock:
                head = choose_head(self.translator, part, layer, number)
                return HTTPStatus.OK, explain_sentence(self.translator, sentence, head).page(served=True)
        except UserError as error:
            return HTTPStatus.BAD_REQUEST, render_page(langs, sentence, served=True, error=str(error))


def whole_number(name: str, value: str) -> int:
    """Parse a number of a query."""
    try:
        return int(value)
    except ValueError:
        raise UserError(f"{name}={value} is not a number.") from None


class Server(ThreadingHTTPServer):
    """A server that ends after the request that it answers: Python kills threads inside of torch with an abort."""

    daemon_threads = False


class Handler(BaseHTTPRequestHandler):
    """Handler of one connection."""

    timeout = IDLE_SECONDS

    def __init__(self, service: ExplanationService, *arguments: Any) -> None:
        self.service = service
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Answer with the page of a sentence."""
        address = urlsplit(self.path)
        host = self.headers.get("Host", "").partition(":")[0]  # without a port, if that is 80
        if host not in LOCAL_NAMES:  # a page from outside, by its own name
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        if address.path != "/":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        status, page = self.service.answer(address.query)
        content = page.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(ConnectionError):  # the browser has stopped waiting
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep requests out of the terminal."""
        log.debug(format, *arguments)


def serve(translator: Translator, options: argparse.Namespace) -> int:
    """Serve pages until interrupted, and return the exit code."""
    head = (options.part, options.layer, options.head)
    service = ExplanationService(translator, *head, options.sentence or "")
    try:
        server = Server((HOST, options.port), partial(Handler, service))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        raise UserError(f"--port {options.port}: {reason}. Choose another port; 0 takes any that is free.") from None
    with server:
        log.info("Open http://%s:%d in a browser; Ctrl-C ends.", HOST, server.server_port)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            log.info("Ended.")
    return 0
