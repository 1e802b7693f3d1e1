"""Options that several commands share."""

import argparse
import json
import os
from pathlib import Path

from mt.config.corpora import HUB
from mt.errors import UserError
from mt.quality.trust import DEFAULT_QUALITY, Trust
from mt.runs.layout import RunLayout

RUNS = Path("runs")
"""where runs lie unless `run_dir` says otherwise"""
RUN_HELP = "folder of a run, such as runs/demo, its name in runs, or hub:OWNER/NAME of the Hugging Face Hub"

TRUST_HELP = (
    "SHARE of the lines that pass should have a sentence chrF of QUALITY or more, such as 0.9:50; QUALITY is "
    f"{DEFAULT_QUALITY:g} if it is omitted"
)


def run_path(text: str) -> Path:
    """Return the folder of a run, given as a path, by its name in `runs`, or by its address on the Hub."""
    if text.startswith(HUB):
        from mt.runs.hub import download  # a tenth of a second to import

        return download(text)
    path, named = Path(text), RUNS / text
    is_path = RunLayout(path).config.exists() or not RunLayout(named).config.exists()
    return path if is_path else named


def output_file(text: str) -> Path:
    """Return the path of a file to write; a folder is refused before the work begins."""
    if os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"{text} is a folder: name a file")
    return Path(text)


def is_run(text: str) -> bool:
    """Return whether a text, which may be a long sentence, names a run."""
    return any(os.path.isfile(RunLayout(folder).config) for folder in (Path(text), RUNS / text))


def run_parser() -> argparse.ArgumentParser:
    """Return a parent parser for the run folder."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("run", type=run_path, metavar="RUN", help=RUN_HELP)
    return parser


def device_parser() -> argparse.ArgumentParser:
    """Return a parent parser for the device."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or mps; default: a GPU if there is one")
    return parser


def search_parser() -> argparse.ArgumentParser:
    """Return a parent parser for the search configuration."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--beam-size", metavar="N", help="hypotheses followed at once; 1 is greedy search")
    other = "any other key of the search section"
    parser.add_argument("--set", action="append", default=[], metavar="search.KEY=VALUE", help=other)
    return parser


def reverse_parser() -> argparse.ArgumentParser:
    """Return a parent parser for the model of the other direction, whose value `search_overrides` returns, too."""
    parser = argparse.ArgumentParser(add_help=False)
    reverse = "a run of the other direction, which chooses among the hypotheses"
    parser.add_argument("--reverse", type=run_path, metavar="RUN", help=reverse)
    return parser


def direction_parser() -> argparse.ArgumentParser:
    """Return a parent parser for multilingual models and for models of several domains."""
    parser = argparse.ArgumentParser(add_help=False)
    several = "language of the text, for a model of several (data.language_tags)"
    parser.add_argument("--from", dest="src_lang", metavar="LANG", help=several)
    parser.add_argument("--to", metavar="LANG", help="language to translate into, for such a model")
    parser.add_argument("--tag", metavar="NAME", help="domain of the text: a tag of data.train")
    return parser


def count(text: str, least: int = 0) -> int:
    """Parse a number of the command line, 0 or above."""
    number = int(text)
    if number < least:
        raise argparse.ArgumentTypeError(f"{text} must be {least} or more")
    return number


def positive(text: str) -> int:
    """Parse a number of the command line, 1 or above."""
    return count(text, least=1)


def trust(text: str) -> Trust:
    """Parse `SHARE` or `SHARE:QUALITY`."""
    share, _, quality = text.partition(":")
    try:
        wanted = Trust(float(share), float(quality or DEFAULT_QUALITY))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' must be a share, such as 0.9, or 0.9:50 with a quality") from error
    if not (0 < wanted.share < 1 and 0 <= wanted.quality <= 100):
        raise argparse.ArgumentTypeError(f"{text}: the share must be between 0 and 1, the quality from 0 to 100")
    return wanted


def search_overrides(options: argparse.Namespace) -> list[str]:
    """Return the options of `search_parser`, and of `reverse_parser` if there are any, as configuration overrides."""
    overrides: list[str] = list(options.set)
    for override in overrides:
        if not override.startswith("search."):
            raise UserError(f"--set {override}: only search.KEY=VALUE can be set here.")
    if options.beam_size is not None:
        overrides.append(f"search.beam_size={options.beam_size}")
    if getattr(options, "reverse", None) is not None:
        overrides.append(f"search.reverse={json.dumps(str(options.reverse), ensure_ascii=False)}")
    return overrides
