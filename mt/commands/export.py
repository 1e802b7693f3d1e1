"""`mt export`: write a trained model in the format of another toolkit."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mt.commands.options import run_parser
from mt.config.corpora import language_tag, training_sources
from mt.config.data import MAX_LEN, DataConfig
from mt.config.schema import Config
from mt.errors import UserError
from mt.runs.folder import check_free
from mt.runs.layout import RunLayout
from mt.runs.run_files import load_run_config, load_run_tokenizer
from mt.runtime.files import replacing
from mt.runtime.packages import require_package
from mt.translation.translator import Translator

PACKAGES = {"ctranslate2": "ctranslate2", "huggingface": "transformers", "libretranslate": "ctranslate2"}
"""format -> the package that it needs"""
ARGOS_SUFFIX = ".argosmodel"
FOLDERS = ("ctranslate2", "huggingface")
"""formats that are folders; the others are files"""
QUANTIZATIONS = (
    "auto", "float32", "float16", "bfloat16", "int16", "int8", "int8_float32", "int8_float16", "int8_bfloat16",
)  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `mt export`."""
    parser = argparse.ArgumentParser(
        prog="mt export",
        description="Write a trained model with its tokenizer: for CTranslate2, a fast engine in C++, for Hugging Face "
        "transformers (pip install transformers), or as an .argosmodel of LibreTranslate and Argos Translate.",
        parents=[run_parser()],
    )
    parser.add_argument("--to", choices=PACKAGES, required=True, help="the format")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="new folder, or new .argosmodel file")
    number_format = (
        "number format of the weights, not with --to huggingface; int8 is the smallest; auto: int8 if it costs less "
        "than 0.1 BLEU on the validation text; default: float32"
    )
    parser.add_argument("--quantization", choices=QUANTIZATIONS, help=number_format)
    longest = "longest text in pieces; default: %(default)s"
    parser.add_argument("--positions", type=int, default=1024, metavar="N", help=longest)
    return parser


def main(arguments: list[str]) -> int:
    """Export and return the exit code."""
    options = build_parser().parse_intermixed_args(arguments)
    check_free(options.output)
    require_package(PACKAGES[options.to], f"--to {options.to}")
    if options.to == "libretranslate" and options.output.suffix != ARGOS_SUFFIX:
        raise UserError(f"--to libretranslate writes a file: {options.output} must end in {ARGOS_SUFFIX}.")
    if options.to == "libretranslate" and options.output.is_dir():
        raise UserError(f"{options.output} is a folder: --to libretranslate writes a file.")
    if options.quantization and options.to == "huggingface":
        raise UserError("--quantization needs --to ctranslate2 or libretranslate.")
    if not 2 <= options.positions <= MAX_LEN:
        raise UserError(f"--positions {options.positions}: must be a number from 2 to {MAX_LEN:,}.")
    config = load_run_config(RunLayout(options.run))
    advice = tag_advice(config.data, options.to, list(load_run_tokenizer(RunLayout(options.run), config).tags))
    if options.to == "huggingface":
        from mt.interop.to_huggingface import check_fits

        check_fits(config.model)
    quantization = options.quantization or "float32"
    if quantization == "auto":
        from mt.evaluation.quantization import choose_quantization

        quantization = choose_quantization(RunLayout(options.run), config)
    translator = Translator.load(options.run, "cpu", config=config)
    with replacing(options.output) as output:
        export(translator, options.to, output, quantization, options.positions)
    print(f"The model is in {options.output}.{advice}")
    return 0


def tag_advice(data: DataConfig, toolkit: str, tags: Sequence[str]) -> str:
    """Return how a model with these tags is to be used in a toolkit that knows nothing of our options for them.

    Raises:
        UserError: the toolkit cannot put these tags before text.
    """
    if not tags:
        return ""
    if toolkit == "libretranslate":
        raise UserError("The model needs a tag before each source, which LibreTranslate does not put there.")
    if data.tag_each_side and toolkit == "huggingface":
        raise UserError(
            "The model has tags before both sides. The tokenizer of transformers puts them before sources only: use "
            "--to ctranslate2."
        )
    if data.tag_each_side:
        return (
            f" Put the tag of its language before the pieces of each source, such as {language_tag(data.src_lang)}, "
            f"and give that of the target language, such as {language_tag(data.tgt_lang)}, as target_prefix, with "
            f"which its translation then begins. There are {', '.join(tags)}."
        )
    if toolkit == "ctranslate2":
        return f" Put a tag before the pieces of each source, such as {tags[0]}; there are {', '.join(tags)}."
    if data.language_tags and any(source.tag for source in training_sources(data.train)):
        raise UserError(
            "The model has tags for languages and for domains. The tokenizer of transformers takes one tag only: "
            "use --to ctranslate2, or --engine ctranslate2 of mt translate."
        )
    written = [f">>{name[1:-1]}<<" for name in tags]
    return f" Put a tag before each text, such as `{written[0]} TEXT`; there are {', '.join(written)}."


def fits_transformers(config: Config, tags: Sequence[str]) -> bool:
    """Return whether a model with these tags can be exported to transformers."""
    from mt.interop.to_huggingface import check_fits

    try:
        tag_advice(config.data, "huggingface", tags)
        check_fits(config.model)
    except UserError:
        return False
    return True


def export(translator: Translator, toolkit: str, output: Path, quantization: str, n_positions: int) -> None:
    """Write the model for a toolkit to a new folder or file."""
    model, tokenizer = translator.model, translator.tokenizer
    if toolkit == "ctranslate2":
        from mt.interop.to_ctranslate2 import save_ctranslate2

        save_ctranslate2(model, tokenizer, output, quantization, n_positions)
    elif toolkit == "libretranslate":
        from mt.interop.to_argos import save_argos

        save_argos(model, tokenizer, output, quantization, n_positions, translator.langs)
    else:
        from mt.interop.to_huggingface import save_huggingface

        save_huggingface(model, tokenizer, output, n_positions, translator.langs, translator.defaults)
