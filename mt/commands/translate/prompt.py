"""`mt translate RUN` on a terminal: a prompt that shows translations, alternatives and attention."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mt.config.search import SearchConfig, with_n_best
from mt.display.terminal import shade_grid
from mt.errors import UserError
from mt.text.characters import is_encodable
from mt.translation.translator import Translator

if TYPE_CHECKING:
    from mt.translation.alignment import Attention

HELP = """Type a sentence to translate it. The next best translations are shown below the best, with their scores. The
arrow keys bring back earlier input.
  :n 5                show 5 translations of each sentence
  :attention          show what each piece of the last translation attended to
  :picture FILE.png   write the same as a picture
  :quit               exit (or Ctrl-D)"""


def is_wanted(sentences: list[str], source: Path | None, output: Path | None) -> bool:
    """Return whether there is nothing else to translate, and standard input and output are a terminal."""
    return not sentences and source is None and output is None and sys.stdin.isatty() and sys.stdout.isatty()


class Prompt:
    """A dialogue with a translator."""

    def __init__(self, translator: Translator, search: SearchConfig) -> None:
        self.translator = translator
        self.configured = search
        self.search = with_n_best(search, max(search.n_best, 3))
        self.last: tuple[str, str] | None = None
        """the last sentence and its translation"""

    def run(self) -> None:
        """Read and answer until the end of the input."""
        import readline  # noqa: F401  # gives `input` a history and line editing

        print("Type a sentence and press Enter. :help lists the commands; Ctrl-D exits.")
        while True:
            try:
                line = input("> ")
            except EOFError:
                print()
                return
            if line.strip() in (":quit", ":q"):
                return
            if not is_encodable(line):
                print("That is not UTF-8.")
                continue
            try:
                print(self.answer(line.strip()))
            except UserError as error:
                print(error)

    def answer(self, line: str) -> str:
        """Return the answer to a line."""
        command, _, argument = line.partition(" ")
        argument = argument.strip()
        if not line:
            return ""
        if command == ":n" and argument.isdecimal() and int(argument) > 0:
            self.search = with_n_best(self.configured, int(argument))
            return f"Showing {argument} translations of each sentence."
        if command == ":attention":
            attention = self.attention()
            return shade_grid(attention.weights.tolist(), attention.tgt_pieces, attention.src_pieces)
        if command == ":picture" and argument:
            return self.draw(argument)
        if line.startswith(":"):
            return HELP
        best, *others = self.translator.n_best([line], self.search)[0]
        self.last = (line, best.text)
        return "\n".join([best.text, *(f"  {other.score:7.3f}  {other.text}" for other in others)])

    def attention(self) -> Attention:
        """Return the attention of the last translation."""
        if self.last is None:
            raise UserError("Translate a sentence first.")
        from mt.translation.alignment import middle_layer

        return self.translator.attention(*self.last, middle_layer(self.translator.model))

    def draw(self, path: str) -> str:
        """Write a picture of the attention and return a message."""
        from mt.display.plotting import draw_attention

        attention = self.attention()
        try:
            draw_attention(attention.weights, attention.src_pieces, attention.tgt_pieces).savefig(path)
        except (OSError, ValueError) as error:
            return f"{path} could not be written: {error}"
        return f"The picture is in {path}."
