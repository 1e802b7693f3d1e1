"""`mt translate`: one line out for every line in, in order."""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from mt.commands.options import add_direction, aim, search_overrides
from mt.commands.translate.documents import Rows, rows_of
from mt.commands.translate.lines import read_groups
from mt.commands.translate.output import opened_output
from mt.commands.translate.prompt import Prompt, is_asked_for, with_n_best
from mt.config.choices import Precision
from mt.config.schema import Config
from mt.config.search import SearchConfig
from mt.errors import UserError
from mt.interop.packages import require_package
from mt.runtime.devices import bf16_is_faster, keep_freed_memory
from mt.runtime.logs import set_up_console
from mt.text.markup import read_marks
from mt.text.sentences import split_text
from mt.translation.alignment import Links, align, pharaoh
from mt.translation.result import Translation
from mt.translation.tag_placement import put_back
from mt.translation.translator import Translator, load_run

log = logging.getLogger(__name__)
WAYS = """ways of searching, each --set search.KEY=VALUE:
  beam_size=8  patience=1               a wider beam; end when 8 hypotheses have ended, not when none can be better
  length_norm=gnmt|average|none         how lengths are compared; length_penalty=0.6 is the exponent
  coverage_penalty=0.2                  GNMT's, against source words that are passed over
  min_len_ratio=0.5  max_len_ratio=3    lengths relative to the source, in pieces; max_len_offset=20 more
  no_repeat_ngram=3                     no three pieces in a row come twice
  repetition_penalty=1.2                pieces that came become less probable
  forbidden='[word, some phrase]'       not written
  required='[word, this|or that]'       written in every translation; beam_size=10 finds better places
  terminology=FILE                      source term <tab> target term, or this|or that; written where the source has it
  diverse_groups=5  diversity=0.5       a beam in groups that keep away from each other, for --n-best
  method=sample  n_samples=8            draw at random; temperature=0.8, top_k=10, top_p=0.9; seed=2
  mbr=chrf                              of all hypotheses the one most like the others (chrf or bleu)
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line of `mt translate`."""
    parser = argparse.ArgumentParser(
        prog="mt translate",
        description="Translate sentences with a trained model: the arguments, else a file, else standard input line "
        "by line. One line comes out for every line that goes in; an empty line stays empty.",
    )
    parser.add_argument("run", type=Path, help="the folder of a run, as runs/demo")
    parser.add_argument("sentence", nargs="*", help="sentences to translate")
    parser.add_argument("-i", "--input", type=Path, metavar="FILE", help="translate this file (also .gz, .bz2, .xz)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to this file, not standard output")
    parser.add_argument(
        "--column",
        metavar="NAME",
        help="translate this column (1, 2, …) of a .tsv --input, or this key of a .jsonl; all else is kept",
    )
    parser.add_argument(
        "--align", action="store_true", help="say which words come from which: `translation ||| 0-0 1-2`, source first"
    )
    parser.add_argument(
        "--tags", action="store_true",
        help="translate without <tags> and {placeholders}, and put them back where their words have gone",
    )  # fmt: skip
    parser.add_argument("--split", action="store_true", help="texts of several sentences: translate each for itself")
    parser.add_argument("--beam-size", metavar="N", help="hypotheses that are followed at once; 1 is greedy search")
    parser.add_argument("--n-best", type=int, metavar="N", help="print the N best: `line ||| translation ||| score`")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line, with scores")
    add_direction(parser)
    parser.add_argument("--prefix", default="", metavar="TEXT", help="what every translation begins with")
    parser.add_argument(
        "--ensemble", action="append", default=[], type=Path, metavar="RUN", help="one more run to translate together"
    )
    parser.add_argument(
        "--engine", choices=("torch", "ctranslate2"), default="torch",
        help="ctranslate2 (the extra `export`) is faster on a CPU; the model is converted once, into the run folder",
    )  # fmt: skip
    parser.add_argument("--quantization", metavar="TYPE", help="of the engine ctranslate2: float32 (default), int8, …")
    parser.add_argument(
        "--precision", choices=[precision.value for precision in Precision], default="float32",
        help="bf16 is faster where the processor has products for it; auto: whichever is faster here",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps; default: a GPU if there is one")
    parser.add_argument(
        "--set", action="append", default=[], metavar="search.KEY=VALUE", help="any other key of the search section"
    )
    return parser


def main(arguments: list[str]) -> int:
    """Translate; the exit code."""
    options = build_parser().parse_intermixed_args(arguments)
    set_up_console()
    keep_freed_memory()
    if options.input and options.sentence:
        raise UserError("Give sentences or --input, not both.")
    translator, config = load_run(options.run, options.device, search_overrides(options), options.ensemble)
    if options.n_best is not None:
        config.search = with_n_best(config.search, options.n_best, options.beam_size is not None)
    aim(translator, config, options)
    if options.precision == "bf16" or (options.precision == "auto" and bf16_is_faster(translator.device)):
        translator.use_bf16()
    if options.engine == "ctranslate2":
        use_ctranslate2(translator, options)
    elif options.quantization:
        raise UserError("--quantization is for --engine ctranslate2.")
    if options.input and (options.input.is_dir() or not options.input.exists()):
        raise UserError(f"--input: there is no file {options.input}.")
    plain = not (options.json or options.tags or options.split or options.align or options.prefix)
    if plain and is_asked_for(options.sentence, options.input, options.output):
        Prompt(translator, config.search).run()
        return 0
    lines_each = options.n_best if options.n_best is not None and not options.json else 1
    if options.split and options.n_best is not None:
        raise UserError("--split joins the best translations of sentences: leave --n-best out.")
    if options.split and config.search.required:
        raise UserError("--split translates sentence by sentence: leave search.required out.")
    if options.column and (options.json or options.n_best is not None):
        raise UserError("--json and --n-best print lines of their own: leave --column out.")
    if options.tags and (options.split or options.align):
        raise UserError("--tags is for whole lines: leave --split and --align out.")
    if options.align and (options.n_best is not None or options.column):
        raise UserError("--align is for the best translations of plain lines: leave --n-best and --column out.")
    rows = rows_of(options.input, options.column)
    form = Form(options.json, options.n_best is not None, rows)
    resumable = lines_each == 1 and bool(options.input or options.sentence)  # standard input does not come again
    with opened_output(options.output, describe_task(options, config.search), resumable) as output:
        first_line = 1 + output.n_done
        for lines in read_groups(options, output.n_done):
            texts = [rows.text(line, number) for number, line in enumerate(lines, start=first_line)]
            results = translate_texts(translator, texts, config, options, first_line)
            for number, (line, translations) in enumerate(zip(lines, results, strict=True), start=first_line):
                links = align_texts(translator, translations) if options.align else None
                form.write(output.stream, line, number, translations, links)
            output.stream.flush()
            first_line += len(lines)
    return 0


def translate_texts(
    translator: Translator, texts: list[str], config: Config, options: argparse.Namespace, first_line: int
) -> list[list[Translation]]:
    """The translations of texts, of which --tags takes the tags, and which --split takes apart into sentences."""
    places = [(first_line + number, 0) for number in range(len(texts))]
    if options.tags:
        model, tokenizer, spaced = translator.model, translator.tokenizer, translator.spaced
        marked = [read_marks(text) for text in texts]
        plain = [text.plain for text in marked]
        best = translator.n_best(plain, config.search, [options.prefix] * len(texts), places)
        return [
            [replace(one, text=put_back(text, one, model, tokenizer, spaced, translator.tags)) for one in translations]
            for text, translations in zip(marked, best, strict=True)
        ]
    if not options.split:
        return translator.n_best(texts, config.search, [options.prefix] * len(texts), places)
    split = [split_text(text, config.data.src_lang) for text in texts]
    sentences = [sentence for text in split for sentence in text.sentences]
    prefixes = [options.prefix * (number == 0) for text in split for number in range(len(text.sentences))]
    places = [(line, i) for (line, _), text in zip(places, split, strict=True) for i in range(len(text.sentences))]
    found = iter(translator.n_best(sentences, config.search, prefixes, places))
    return [[translator.in_one(text, [next(found)[0] for _ in text.sentences])] for text in split]


def describe_task(options: argparse.Namespace, search: SearchConfig) -> str:
    """All that decides what is written."""
    asked = {key: str(value) for key, value in vars(options).items() if key not in ("output", "device")}
    files = [run / "model.safetensors" for run in (options.run, *options.ensemble)]
    files += [Path(name) for name in (options.input, search.terminology) if name]
    stamps = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.exists()]
    return repr((options.run.resolve(), sorted(asked.items()), stamps, search))


def use_ctranslate2(translator: Translator, options: argparse.Namespace) -> None:
    """Let CTranslate2 do the search."""
    require_package("ctranslate2")
    from mt.interop.ctranslate2_engine import CTranslate2Engine

    if options.precision != "float32":
        raise UserError("--precision is for --engine torch: CTranslate2 has --quantization.")
    if options.ensemble:
        raise UserError("--engine ctranslate2 translates with one model: leave --ensemble out.")
    translator.engine = CTranslate2Engine(options.run, translator, options.quantization or "float32")


def align_texts(translator: Translator, translations: list[Translation]) -> Links:
    """The words of the best translation with those of its source."""
    return align(translator.model, translator.tokenizer, translations[0].parts, translator.spaced, translator.tags)


@dataclass(frozen=True)
class Form:
    """The form that translations are printed in."""

    json: bool
    numbered: bool
    """a line for each of the n best"""
    rows: Rows

    def write(
        self, output: TextIO, line: str, number: int, translations: list[Translation], links: Links | None
    ) -> None:
        """Print the translations of one line."""
        if self.json:
            row: dict[str, Any] = {
                "source": self.rows.text(line, number),
                "translations": [translation.as_row() for translation in translations],
            }
            if links is not None:
                row["alignment"] = links
            print(json.dumps(row, ensure_ascii=False), file=output)
        elif self.numbered:
            for translation in translations:
                print(f"{number} ||| {translation.text} ||| {translation.score:.4f}", file=output)
        else:
            text = self.rows.filled(line, translations[0].text)
            print(text if links is None else f"{text} ||| {pharaoh(links)}", file=output)
