"""Properties of characters."""

import unicodedata


def is_word_character(character: str) -> bool:
    """Return whether a character belongs to a word: a letter, a digit, or a mark on one."""
    return character.isalnum() or unicodedata.category(character or " ").startswith("M")


def is_encodable(text: str) -> bool:
    """Return whether a text can be written as UTF-8; a lone surrogate, which JSON can contain, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
