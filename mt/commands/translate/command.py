"""`mt translate`: one line out for every line in, in order."""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from mt.commands.options import (
    TRUST_HELP,
    device_parser,
    direction_parser,
    is_run,
    reverse_parser,
    run_parser,
    run_path,
    search_overrides,
    search_parser,
    trust,
)
from mt.commands.translate.documents import Rows, choose_rows
from mt.commands.translate.lines import LineProgress, check_utf8, read_groups
from mt.commands.translate.output import open_output
from mt.commands.translate.prompt import Prompt, is_wanted
from mt.commands.translate.whole_files import check_document_options, translate_file
from mt.config.choices import EngineName, Precision
from mt.config.schema import Config
from mt.config.search import SearchConfig, with_n_best
from mt.errors import UserError
from mt.runs.layout import RunLayout
from mt.runs.run_files import load_run_config
from mt.text.documents.kinds import KINDS, is_document
from mt.text.terminology import load_terminology
from mt.translation.engine_choice import FLOAT32
from mt.translation.pipeline import Request, splits_by_default
from mt.translation.result import Translation, pharaoh
from mt.translation.translator import Translator

if TYPE_CHECKING:
    from mt.quality.judge import Judge

EXAMPLES = """search options, each as --set search.KEY=VALUE:
  beam_size=8  patience=1              a wider beam; stop at 8 finished hypotheses instead of 16; null: exact search
  length_norm=gnmt|average|none        how lengths are compared; length_penalty=0.6 is the exponent
  coverage_penalty=0.2                 GNMT's penalty for source words that are passed over
  min_len_ratio=0.5  max_len_ratio=3   lengths relative to the source, in pieces; plus max_len_offset=20
  no_repeat_ngram=3                    never repeat a trigram of pieces
  repetition_penalty=1.2               make pieces that occurred already less probable
  forbidden='[word, some phrase]'      never write these
  required='[word, this|or that]'      write these in every translation; beam_size=10 finds better positions
  terminology=FILE                     source term <tab> target term, or this|or that, for terms in the source
  diverse_groups=5  diversity=0.5      a beam in groups that avoid each other's choices, for --n-best
  method=sample  n_samples=8           draw at random; temperature=0.8, top_k=10, top_p=0.9; seed=2
  mbr=chrf                             return the hypothesis most similar to all others (chrf or bleu)
  reverse_weight=0.2                   how much the model of --reverse counts
"""


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `mt translate`."""
    parser = argparse.ArgumentParser(
        prog="mt translate",
        description="Translate sentences with a trained model: the arguments, or a file, or standard input line by\n"
        "line. Every line gives one line of output; an empty line stays empty.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[run_parser(), search_parser(), reverse_parser(), direction_parser(), device_parser()],
    )
    add = parser.add_argument
    add("sentence", nargs="*", help="sentences to translate")
    documents = ", ".join(KINDS)
    add("-i", "--input", type=Path, metavar="FILE", help=f"translate this file (also .gz, .bz2, .xz; {documents})")
    add("-o", "--output", type=Path, metavar="FILE", help="write to this file, not to standard output")
    add("--column", metavar="NAME", help="translate this column (1, 2, …) of a .tsv --input, or this key of a .jsonl")
    add("--align", action="store_true", help="add a word alignment, source first: `translation ||| 0-0 1-2`")
    add("--markup", action="store_true", help="move <tags> and {placeholders} along with the words they belong to")
    split = "translate a text of several sentences one by one, as is the default, or as a whole"
    add("--split", action=argparse.BooleanOptionalAction, help=split)
    add("--n-best", type=int, metavar="N", help="print the N best: `line number ||| translation ||| score`")
    add("--json", action="store_true", help="print a JSON object for each line, with scores")
    add("--quality", action="store_true", help="add an estimate of the quality from 0 to 100: `translation ||| 73`")
    trusted = "add the quality, and `pass` or `check`: " + TRUST_HELP
    add("--trust", type=trust, metavar="SHARE[:QUALITY]", help=trusted)
    add("--prefix", default="", metavar="TEXT", help="text that every translation begins with")
    ensemble = "another run to ensemble with; for several, repeat the option"
    add("--ensemble", action="append", default=[], type=run_path, metavar="RUN", help=ensemble)
    engine = "auto: ctranslate2 where it finds the same translations, which is faster on a CPU; default: auto"
    add("--engine", choices=[one.value for one in EngineName], default="auto", help=engine)
    quantization = "number format of ctranslate2: float32 (default), int8, …; auto: int8 if it costs less than 0.1 BLEU"
    add("--quantization", metavar="TYPE", help=quantization)
    add("-v", "--verbose", action="store_true", help="say which engine translates, and why")
    precision = "bf16 is faster if the processor has instructions for it; auto: whichever is faster here"
    add("--precision", choices=[one.value for one in Precision], default="float32", help=precision)
    return parser


def main(arguments: list[str]) -> int:
    """Translate and return the exit code."""
    options = build_parser().parse_intermixed_args(arguments)
    config = load_run_config(RunLayout(options.run), search_overrides(options))
    if options.n_best is not None:
        config.search = with_n_best(config.search, options.n_best, options.beam_size is not None)
    check_options(options, config.search)
    check_utf8(options.prefix)
    rows = choose_rows(options.input, options.column)
    translator = load_translator(options, config)
    if is_document(options.input):
        translate_file(translator, options.input, options.output, config.search)
        return 0
    judged = options.quality or options.trust is not None
    judge, search = None, config.search
    if judged:
        from mt.quality.judge import (  # sacreBLEU is slow to import, and few need it here
            load_judge,
            warn_about_direction,
            with_alternatives,
        )

        judge = load_judge(RunLayout(options.run), translator.tokenizer, options.trust)
        search = with_alternatives(search, judge.estimator)
        warn_about_direction(translator.langs, (config.data.src_lang, config.data.tgt_lang))
    plain = not (options.json or options.markup or options.split or options.align or options.prefix or judged)
    if plain and is_wanted(options.sentence, options.input, options.output):
        Prompt(translator, config.search).run()
        return 0
    split = splits_by_default(config.search) if options.split is None else options.split
    scored = options.json or options.n_best is not None or judged
    request = Request(search, options.prefix, options.markup, split, options.align, scored)
    printer = Printer(options.json, options.n_best is not None, rows, translator.spaced)
    translate_lines(translator, request, printer, options, judge)
    if judge:
        judge.warn_if_unlike()
    return 0


def check_options(options: argparse.Namespace, search: SearchConfig) -> None:
    """Raise `UserError` if options contradict each other or a package or file is missing; loads no model."""
    n_best = options.n_best is not None
    estimates = options.quality or options.trust
    is_special = (n_best and not options.json) or options.column or options.markup or options.prefix or options.ensemble
    takes_run = bool(options.ensemble or options.reverse)
    conflicts = [
        (
            takes_run and any(map(is_run, options.sentence)),
            "--ensemble and --reverse take one run each: for more, repeat --ensemble.",
        ),
        (options.input and options.sentence, "Give sentences or --input, not both."),
        (options.split and n_best, "--split joins the best translations of sentences: omit --n-best."),
        (options.split and search.required, "--split translates sentence by sentence: omit search.required."),
        (options.column and (options.json or n_best), "--json and --n-best print lines of their own: omit --column."),
        (options.markup and options.align, "The words of a text with markup are not aligned: omit --align."),
        (
            options.align and (n_best or options.column),
            "--align is for the best translations of plain lines: omit --n-best and --column.",
        ),
        (
            estimates and is_special,
            "--quality and --trust are for plain lines of one run: omit --n-best (but with --json), --column, "
            "--markup, --prefix and --ensemble.",
        ),
        (options.quantization and options.engine == "torch", "--quantization is for --engine ctranslate2."),
        (
            options.engine == "ctranslate2" and options.precision != "float32",
            "--precision is for --engine torch: CTranslate2 has --quantization.",
        ),
    ]
    for conflict, message in conflicts:
        if conflict:
            raise UserError(message)
    check_document_options(options)
    if options.input and (options.input.is_dir() or not options.input.exists()):
        raise UserError(f"--input: there is no file {options.input}.")
    if options.output and not options.output.parent.is_dir():
        raise UserError(f"--output {options.output}: there is no folder {options.output.parent}.")
    if options.input and options.output and options.output.exists() and options.output.samefile(options.input):
        raise UserError(f"--output {options.output} is the file of --input, which would be lost.")
    if search.terminology:
        load_terminology(search.terminology)  # fails now instead of at the first line


def load_translator(options: argparse.Namespace, config: Config) -> Translator:
    """Load the model with the engine and the number format of the options."""
    if options.verbose:
        logging.getLogger("mt").setLevel(logging.DEBUG)
    precision, engine = Precision(options.precision), EngineName(options.engine)
    if precision is not Precision.float32:
        engine = EngineName.torch
    elif options.quantization:
        engine = EngineName.ctranslate2
    quantization = options.quantization or FLOAT32
    if quantization == "auto":
        from mt.evaluation.quantization import choose_quantization

        quantization = choose_quantization(RunLayout(options.run), config)
    translator = Translator.load(options.run, options.device, options.ensemble, config, engine, quantization)
    if precision is not Precision.float32:
        from mt.runtime.devices import chooses_bf16  # torch takes a second to import

        if chooses_bf16(precision, translator.torch_engine.device):
            translator.torch_engine.use_bf16()
    translator.set_direction(options.src_lang, options.to, options.tag)
    return translator


def translate_lines(
    translator: Translator, request: Request, printer: Printer, options: argparse.Namespace, judge: Judge | None
) -> None:
    """Translate all lines and print them as they are finished."""
    one_line_each = options.n_best is None or options.json
    resumable = one_line_each and bool(options.input or options.sentence)  # standard input cannot be read again
    with open_output(options.output, describe_task(options, request.search), resumable) as output:
        first_line = 1 + output.n_done
        progress = LineProgress()
        translator.on_progress = progress.show
        for lines in read_groups(options.sentence, options.input, output.n_done, progress):
            texts = [printer.rows.text(line, number) for number, line in enumerate(lines, start=first_line)]
            results = translator.translate_texts(texts, request, first_line)
            if judge:
                results = judge.judge(texts, results, options.n_best or 1)
            for number, (line, translations) in enumerate(zip(lines, results, strict=True), start=first_line):
                printer.write(output.stream, line, number, translations)
            output.stream.flush()
            first_line += len(lines)


def describe_task(options: argparse.Namespace, search: SearchConfig) -> str:
    """Return a text with everything that determines the output."""
    given = {key: str(value) for key, value in vars(options).items() if key not in ("output", "device")}
    reverse = [Path(search.reverse)] if search.reverse is not None else []
    files = [RunLayout(run).weights for run in (options.run, *options.ensemble, *reverse)]
    files += [Path(name) for name in (options.input, search.terminology) if name]
    stamps = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.exists()]
    return repr((options.run.resolve(), sorted(given.items()), stamps, search))


@dataclass(frozen=True)
class Printer:
    """The format in which translations are printed."""

    json: bool
    numbered: bool
    """print a line for each of the n best"""
    rows: Rows
    spaced: tuple[bool, bool]
    """True if the source and the target language have spaces between words"""

    def write(self, output: TextIO, line: str, number: int, translations: list[Translation]) -> None:
        """Print the translations of one line."""
        alignment = translations[0].alignment
        if self.json:
            row: dict[str, Any] = {
                "source": self.rows.text(line, number),
                "translations": [translation.as_row() for translation in translations],
            }
            if alignment is not None:
                row["alignment"] = alignment
                row["source_words"], row["target_words"] = translations[0].words or ([], [])
            print(json.dumps(row, ensure_ascii=False), file=output)
        elif self.numbered:
            for translation in translations:
                print(f"{number} ||| {translation.text} ||| {translation.score:.4f}", file=output)
        else:
            fields = [self.rows.fill(line, translations[0].text)]
            if alignment is not None:
                fields.append(pharaoh(alignment))
            if translations[0].quality is not None:
                fields.append(f"{translations[0].quality:.0f}")
            if translations[0].trusted is not None:
                fields.append("pass" if translations[0].trusted else "check")
            if alignment is not None and not all(self.spaced):  # spaces do not show the words that are counted
                fields += [" ".join(side) for side in translations[0].words or ()]
            print(" ||| ".join(fields), file=output)
