"""`mt translate RUN` on a terminal: one asks, it answers, with alternatives and, where wanted, what it looked at."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from mt.config.choices import SearchMethod
from mt.config.search import SearchConfig
from mt.display.terminal import is_text, shaded
from mt.errors import UserError
from mt.translation.alignment import Attention, source_attention
from mt.translation.translator import Translator

HELP = """A sentence is translated; below the translation stand the next best ones, with their scores. The arrow keys
bring back what was written before.
  :n 5                as many translations as that
  :attention          what each piece of the last translation looked at
  :picture FILE.png   the same as a picture
  :quit               (or Ctrl-D) ends"""


def is_asked_for(sentences: list[str], source: Path | None, output: Path | None) -> bool:
    """Whether a person sits there, and nothing else has been given to translate."""
    return not sentences and source is None and output is None and sys.stdin.isatty() and sys.stdout.isatty()


class Prompt:
    """A conversation with a translator."""

    def __init__(self, translator: Translator, search: SearchConfig) -> None:
        self.translator = translator
        self.asked = search
        self.search = with_n_best(search, max(search.n_best, 3))
        self.last: tuple[str, str] | None = None
        """sentence and translation"""

    def run(self) -> None:
        """Ask and answer until the end of the input."""
        import readline  # noqa: F401  # gives `input` a history and a line that can be edited

        print("A sentence, and Enter. :help says what else there is; Ctrl-D ends.")
        while True:
            try:
                line = input("> ")
            except EOFError:
                print()
                return
            if line.strip() in (":quit", ":q"):
                return
            if not is_text(line):
                print("That is not UTF-8.")
                continue
            try:
                print(self.answer(line.strip()))
            except UserError as error:
                print(error)

    def answer(self, line: str) -> str:
        """What is said to a line."""
        command, _, argument = line.partition(" ")
        if not line:
            return ""
        if command == ":n" and argument.isdecimal() and int(argument) > 0:
            self.search = with_n_best(self.asked, int(argument))
            return f"{argument} translations each."
        if command == ":attention":
            seen = self.attention()
            return shaded(seen.weights.tolist(), seen.tgt_pieces, seen.src_pieces)
        if command == ":picture" and argument:
            from mt.display.plotting import draw_attention

            seen = self.attention()
            try:
                draw_attention(seen.weights, seen.src_pieces, seen.tgt_pieces).savefig(argument)
            except (OSError, ValueError) as error:
                return f"{argument} could not be written: {error}"
            return f"It is in {argument}."
        if line.startswith(":"):
            return HELP
        best, *others = self.translator.n_best([line], self.search)[0]
        self.last = (line, best.text)
        return "\n".join([best.text, *(f"  {other.score:7.3f}  {other.text}" for other in others)])

    def attention(self) -> Attention:
        """Of the last translation."""
        if self.last is None:
            raise UserError("Translate a sentence first.")
        tokenizer, max_len = self.translator.tokenizer, self.translator.max_len
        src_ids, tgt_ids = tokenizer.encode_src([self.last[0]])[0], tokenizer.encode_tgt([self.last[1]])[0]
        model = self.translator.model
        return source_attention(
            model, tokenizer, [*self.translator.tags, *src_ids][:max_len], tgt_ids[:max_len], len(model.decoder) // 2
        )


def with_n_best(search: SearchConfig, n_best: int, fixed: bool = False) -> SearchConfig:
    """The same search for so many translations, wide enough for them unless its width is `fixed`.

    Raises:
        UserError: it is fixed, and too narrow.
    """
    if search.method is SearchMethod.sample:
        return replace(search, n_best=n_best, n_samples=max(n_best, search.n_samples))
    groups = search.diverse_groups
    width = search.beam_size if fixed else max(search.beam_size, -(-n_best // groups) * groups)
    return replace(search, n_best=n_best, beam_size=width)
