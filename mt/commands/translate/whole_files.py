"""Documents as the input of `mt translate`: a document goes in, and the same document in another language comes out."""

import argparse
import logging
from pathlib import Path

from mt.config.search import SearchConfig
from mt.errors import UserError
from mt.runtime.files import replacing
from mt.text.documents.kinds import read_document
from mt.translation.documents import translate_document
from mt.translation.translator import Translator

log = logging.getLogger(__name__)

FOR_LINES = ("n_best", "json", "column", "align", "markup", "quality", "trust", "prefix", "split")
"""options that are for lines of text"""


def check_document_options(options: argparse.Namespace) -> None:
    """Raise `UserError` if an option does not apply to documents, or the output is not such a document."""
    suffix = options.input.suffix.lower()
    for name in FOR_LINES:
        if getattr(options, name) not in (None, False, ""):
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
