"""Message catalogues of gettext, .po. Messages without a translation get one, marked as fuzzy: to be checked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polib

from mt.errors import UserError

FUZZY = "fuzzy"
WRAP = 78
"""characters of a line, as gettext breaks them, unless the file has longer ones"""
LINE = re.compile(rb'^(?:msg\S+ )?"[^"\n]* .*', re.MULTILINE)
"""a line of text that could be broken at a space"""


@dataclass
class Catalogue:
    """A catalogue, and its messages without a translation."""

    is_markup = False
    file: polib.POFile

    def __post_init__(self) -> None:
        self.entries = [entry for entry in self.file if not entry.obsolete and not has_translation(entry)]
        self.texts = [text.strip() for entry in self.entries for text in texts_of(entry)]

    def save(self, translations: Sequence[str], path: Path, spaced: bool) -> None:
        """Write the catalogue in UTF-8; new forms of the plural but the first are all the same."""
        each = iter(translations)
        for entry in self.entries:
            own = [with_spaces_of(text, next(each)) for text in texts_of(entry)]
            if entry.msgid_plural:
                forms = sorted(entry.msgstr_plural) or [0, 1]
                new = {form: own[0] if form == 0 and len(forms) > 1 else own[1] for form in forms}
                entry.msgstr_plural = {form: entry.msgstr_plural.get(form) or new[form] for form in forms}
            else:
                entry.msgstr = own[0]
            if FUZZY not in entry.flags:
                entry.flags.append(FUZZY)
        if self.file.metadata:
            self.file.metadata["Content-Type"] = "text/plain; charset=UTF-8"
        path.write_text(f"{self.file}\n", encoding="utf-8")


def read(path: Path) -> Catalogue:
    """Read a file in the encoding that it states."""
    try:
        longest = max(map(len, LINE.findall(path.read_bytes())), default=0)
        return Catalogue(polib.pofile(str(path), wrapwidth=WRAP if longest <= WRAP + 2 else longest))
    except (OSError, ValueError, LookupError) as error:
        raise UserError(f"{path} is not a catalogue of gettext: {str(error).splitlines()[0]}") from error


def has_translation(entry: polib.POEntry) -> bool:
    """Return whether a message has been translated, perhaps to be checked, or there is nothing to translate."""
    is_plural_complete = bool(entry.msgstr_plural) and all(entry.msgstr_plural.values())
    return bool(entry.msgstr) or is_plural_complete or not entry.msgid.strip()


def texts_of(entry: polib.POEntry) -> list[str]:
    """Return the texts of a message: one, or singular and plural."""
    return [entry.msgid, entry.msgid_plural] if entry.msgid_plural else [entry.msgid]


def with_spaces_of(text: str, translation: str) -> str:
    """Return a translation between the spaces and line breaks of the text: gettext wants the same ones."""
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    return text[:start] + translation + text[max(start, end) :]
