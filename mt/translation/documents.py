"""Translation of the texts of a document: those with markup with it, the others as any text."""

from mt.config.search import SearchConfig
from mt.text.documents.kinds import Document
from mt.text.markup import MARK
from mt.translation.pipeline import Request, splits_by_default
from mt.translation.translator import Translator


def requests_for(document: Document, search: SearchConfig) -> list[tuple[Request, list[int]]]:
    """Return how texts are to be translated, with the numbers of the texts for each way."""
    numbers: dict[bool, list[int]] = {}
    for number, text in enumerate(document.texts):
        numbers.setdefault(document.is_markup or MARK.search(text) is not None, []).append(number)
    return [
        (Request(search, markup=marked, split=splits_by_default(search), scored=False), own)
        for marked, own in numbers.items()
    ]


def translate_document(document: Document, translator: Translator, search: SearchConfig) -> list[str]:
    """Return a translation for each text of a document; line breaks are kept."""
    translations = [""] * len(document.texts)
    for request, numbers in requests_for(document, search):
        texts = [document.texts[number].split("\n") for number in numbers]
        found = iter(translator.translate_texts([line for lines in texts for line in lines], request))
        for number, lines in zip(numbers, texts, strict=True):
            translations[number] = "\n".join(next(found)[0].text for _ in lines)
    return translations
