"""Identification of the language of a text, by py3langid."""

from functools import cache
from typing import Any

MIN_IDENTIFIABLE = 20
"""characters that a text needs for its language to be identified"""


@cache
def load_identifier(langs: tuple[str, ...] = ()) -> tuple[Any, frozenset[str]]:
    """Load py3langid's model, which takes half a second.

    Args:
        langs: the labels to choose from; empty: all.

    Returns:
        The model, and the labels of all languages that it knows.
    """
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    known = frozenset(identifier.labels)
    if langs:
        identifier.set_languages(list(langs))
    return identifier, known
