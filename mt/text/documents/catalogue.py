"""Message catalogues of gettext, .po. Messages without a translation get one, marked as fuzzy: to be checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polib

from mt.errors import UserError

FUZZY = "fuzzy"


@dataclass
class Catalogue:
    """A catalogue, and its messages without a translation."""

    file: polib.POFile

    def __post_init__(self) -> None:
        self.entries = [entry for entry in self.file if not entry.translated() and not entry.obsolete]
        self.texts = [text for entry in self.entries for text in texts_of(entry)]

    def save(self, translations: Sequence[str], path: Path, spaced: bool) -> None:
        """Write the catalogue; all forms of the plural are the same."""
        each = iter(translations)
        for entry in self.entries:
            own = [next(each) for _ in texts_of(entry)]
            if entry.msgid_plural:
                forms = sorted(entry.msgstr_plural) or [0, 1]
                entry.msgstr_plural = {form: own[0] if form == 0 and len(forms) > 1 else own[1] for form in forms}
            else:
                entry.msgstr = own[0]
            if FUZZY not in entry.flags:
                entry.flags.append(FUZZY)
        path.write_text(f"{self.file}\n", encoding="utf-8")


def read(path: Path) -> Catalogue:
    """Read a file."""
    try:
        return Catalogue(polib.pofile(str(path), encoding="utf-8", wrapwidth=0))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a catalogue of gettext in UTF-8: {str(error).splitlines()[0]}") from error


def texts_of(entry: polib.POEntry) -> list[str]:
    """Return the texts of a message: one, or singular and plural."""
    return [entry.msgid, entry.msgid_plural] if entry.msgid_plural else [entry.msgid]
