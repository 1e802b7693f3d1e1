"""The options of several commands: how to search, and what into."""

from __future__ import annotations

import argparse

from mt.config.schema import Config
from mt.errors import UserError
from mt.translation.translator import Translator


def search_overrides(options: argparse.Namespace) -> list[str]:
    """The options that change the search, as configuration overrides."""
    overrides: list[str] = list(options.set)
    for override in overrides:
        if not override.startswith("search."):
            raise UserError(f"--set {override}: only search.KEY=VALUE can be set here.")
    if options.beam_size is not None:
        overrides.append(f"search.beam_size={options.beam_size}")
    return overrides


def add_direction(parser: argparse.ArgumentParser) -> None:
    """Options for a model of several languages, or of several kinds of text."""
    parser.add_argument("--to", metavar="LANG", help="target language, of a model of several (data.language_tags)")
    parser.add_argument("--tag", metavar="NAME", help="take it as text of this kind, a tag of data.train")


def aim(translator: Translator, config: Config, options: argparse.Namespace) -> None:
    """Do what these options say."""
    if options.to or options.tag:
        default = config.data.tgt_lang if config.data.language_tags else None
        translator.translate_to(options.to or default, options.tag)
