"""`mt serve`: translate for others over HTTP, with a page to try it."""

import argparse
import os
import socket
import ssl
from pathlib import Path

from mt.commands.options import RUN_HELP, positive, run_path, search_overrides, search_parser
from mt.config.choices import EngineName
from mt.errors import UserError
from mt.quality.judge import find_estimator
from mt.runs.layout import RunLayout
from mt.runs.run_files import load_run_config
from mt.runtime.packages import require_package
from mt.translation.engine_choice import FLOAT32
from mt.translation.translator import Translator

SECONDS_TO_FINISH = 8
"""for requests that have begun when the server is to end"""


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `mt serve`."""
    parser = argparse.ArgumentParser(
        prog="mt serve",
        description="Translate over HTTP, with the interface of LibreTranslate, and show a page to try it. With "
        "several runs, the languages of a request choose one. Only this machine is answered, unless you give --host. "
        "Needs pip install '.[serve]'.",
        parents=[search_parser()],
    )
    add = parser.add_argument
    add("runs", nargs="+", type=run_path, metavar="RUN", help=RUN_HELP)
    add("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0: all; default: %(default)s")
    add("--port", type=int, default=8000, help="default: %(default)s")
    add("--api-key", metavar="KEY", help="refuse requests without this key")
    add("--max-characters", type=positive, default=5000, metavar="N", help="of a request; default: %(default)s")
    of_file = "of a file that is translated; default: %(default)s"
    add("--max-file-characters", type=positive, default=100_000, metavar="N", help=of_file)
    add("--max-queue", type=positive, default=1000, metavar="N", help="lines that may wait; default: %(default)s")
    add("--quantization", metavar="TYPE", help="number format of ctranslate2, such as int8; default: float32")
    add("--tls-cert", metavar="FILE", help="certificate, to be reached by https; with --tls-key")
    add("--tls-key", metavar="FILE", help="its private key")
    return parser


def main(arguments: list[str]) -> int:
    """Serve until a signal ends it, and return the exit code."""
    options = build_parser().parse_args(arguments)
    require_package("fastapi", "mt serve")
    require_package("uvicorn", "mt serve")
    check_tls(options.tls_cert, options.tls_key)
    check_address(options.host, options.port)
    import uvicorn

    from mt.serving.app import create_app
    from mt.serving.batching import Batcher
    from mt.serving.models import Models, Served, languages_of
    from mt.serving.service import Limits

    served = []
    for run in options.runs:
        config = load_run_config(RunLayout(run), search_overrides(options))
        engine = EngineName.ctranslate2 if options.quantization else EngineName.auto
        translator = Translator.load(run, config=config, engine=engine, quantization=options.quantization or FLOAT32)
        translator.translate(["."])  # so that the first request does not wait for what is prepared once
        batcher = Batcher(translator, options.max_queue)
        languages = languages_of(config.data, list(translator.tokenizer.tags))
        estimator = find_estimator(RunLayout(run), "Translations are served without their quality.")
        served.append(Served(config.name, *languages, batcher, config.data.language_tags, estimator))
    app = create_app(Models(served), Limits(options.max_characters, options.max_file_characters, options.api_key))
    try:
        uvicorn.run(
            app, host=options.host, port=options.port, log_level="warning", ssl_certfile=options.tls_cert,
            ssl_keyfile=options.tls_key, timeout_graceful_shutdown=SECONDS_TO_FINISH,
        )  # fmt: skip
    finally:
        if any(one.batcher.is_busy for one in served):
            os._exit(0)  # Python would wait for the thread
    return 0


def check_tls(certificate: str | None, key: str | None) -> None:
    """Raise `UserError` unless the two files are a certificate and its key, or neither is given."""
    if bool(certificate) != bool(key):
        raise UserError("--tls-cert and --tls-key belong together.")
    if certificate:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
        except FileNotFoundError as error:
            missing = key if Path(certificate).exists() else certificate
            raise UserError(f"{missing} does not exist.") from error
        except (OSError, ValueError) as error:  # the errors of the module `ssl` among them
            raise UserError(
                f"--tls-cert {certificate}, --tls-key {key}: no certificate and its key, in PEM and without a password "
                f"({error})."
            ) from error


def check_address(host: str, port: int) -> None:
    """Raise `UserError` if the server could not listen there, before models are loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((address[0], port, *address[2:]))  # getaddrinfo takes 65536 for 0
    except (OSError, OverflowError) as error:
        reason = str(getattr(error, "strerror", None) or error)
        raise UserError(f"--host {host} --port {port}: {reason.removeprefix('bind(): ').removesuffix('.')}.") from error
