"""`mt import`: turn a model from another toolkit into a run."""

import argparse
import shlex
from pathlib import Path

from mt.config.facts import keys_where
from mt.config.file import save_config
from mt.config.schema import Config, ModelConfig
from mt.runs.checkpoint import copy_weights, save_weights
from mt.runs.folder import check_free
from mt.runs.layout import RunLayout
from mt.runtime.checksums import record_files
from mt.runtime.files import replacing
from mt.runtime.packages import require_package


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `mt import`."""
    parser = argparse.ArgumentParser(
        prog="mt import",
        description="Turn a model in Hugging Face's format into a run to translate with or to fine-tune: a Marian "
        "model, such as those of OPUS-MT, or one of many languages, M2M-100 or NLLB-200, for which --src-lang and "
        "--tgt-lang give the languages to translate between by default. Needs a package: pip install transformers.",
    )
    parser.add_argument("model", help="its folder, or its name on the Hugging Face hub (needs a network)")
    parser.add_argument("run", type=Path, metavar="RUN", help="new folder to write")
    needed = "default: as the model states; M2M-100 and NLLB-200 do not"
    parser.add_argument("--src-lang", metavar="LANG", help=f"source language; {needed}")
    parser.add_argument("--tgt-lang", metavar="LANG", help=f"target language; {needed}")
    return parser


def main(arguments: list[str]) -> int:
    """Import and return the exit code."""
    options = build_parser().parse_args(arguments)
    check_free(options.run)
    require_package("transformers", "mt import")
    from mt.interop.from_huggingface import import_huggingface

    config, tokenizer, model = import_huggingface(options.model, options.src_lang, options.tgt_lang)
    config.run_dir = str(options.run)
    with replacing(options.run) as folder:
        folder.mkdir()
        run = RunLayout(folder)
        save_config(config, run.config)
        tokenizer.save(run.tokenizer(tokenizer.joint))
        save_weights(copy_weights(model), run.weights)
        record_files(folder)
    print(f"The model is in {options.run}. To fine-tune it:\n{fine_tuning_command(options.run, config)}")
    return 0


def fine_tuning_command(run: Path, config: Config) -> str:
    """Return a command that trains the model further."""
    values = {key: getattr(config.model, key) for key in keys_where("shapes_model", ModelConfig)}
    shape = [f"model.{key}={str(getattr(value, 'value', value)).lower()}" for key, value in values.items()]
    return (
        f"mt train name=tuned training.init_from={shlex.quote(str(run))} data=files "
        f"data.src_lang={config.data.src_lang} data.tgt_lang={config.data.tgt_lang} data.train=PREFIX "
        f"data.valid=PREFIX optim.lr=1e-4 tokenizer.joint={str(config.tokenizer.joint).lower()} {' '.join(shape)}"
    )
