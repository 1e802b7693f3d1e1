"""Documents as the input of `mt translate`: a document goes in, and the same document in another language comes out."""

import argparse
import logging
from pathlib import Path

from mt.config.search import SearchConfig
from mt.errors import UserError
from mt.runtime.files import plain_suffix, replacing
from mt.text.documents.kinds import KINDS, is_document, read_document
from mt.translation.documents import translate_document
from mt.translation.translator import Translator

log = logging.getLogger(__name__)

FOR_LINES = {
    "n_best": None, "json": False, "column": None, "align": False, "markup": False, "quality": False, "trust": None,
    "prefix": "", "split": None,
}  # fmt: skip
"""options that are for lines of text, and their defaults"""


def check_document_options(options: argparse.Namespace) -> None:
    """Raise `UserError` if an option does not apply to documents, or input and output are not of the same kind."""
    if not is_document(options.input):
        if options.input and plain_suffix(options.input).lower() in KINDS:
            raise UserError(f"--input {options.input}: unpack it first.")
        if is_document(options.output):
            raise UserError(f"--output {options.output}: only the translation of such a file is one.")
        return
    suffix = options.input.suffix.lower()
    for name, default in FOR_LINES.items():
        if getattr(options, name) != default:
            raise UserError(f"--{name.replace('_', '-')} is for lines of text, not for {suffix} files.")
    if options.output is None or options.output.suffix.lower() != suffix:
        raise UserError(f"The translation of a {suffix} file is one: add --output FILE{suffix}.")


def translate_file(translator: Translator, source: Path, output: Path, search: SearchConfig) -> None:
    """Translate a document; the output appears when it is complete."""
    document = read_document(source)
    log.info("%s: %s texts.", source, f"{len(document.texts):,}")
    translations = translate_document(document, translator, search)
    with replacing(output) as temporary:
        document.save(translations, temporary, translator.spaced[1])
