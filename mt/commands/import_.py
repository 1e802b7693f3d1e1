"""`mt import`: a model of another toolkit as a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from mt.config.file import save_config
from mt.config.schema import Config
from mt.interop.packages import quiet_transformers, require_package
from mt.runs.checkpoint import save_weights, weights_of
from mt.runs.folder import check_free
from mt.runtime.files import replacing
from mt.runtime.logs import set_up_console
from mt.training.starting_point import SHAPE_KEYS


def build_parser() -> argparse.ArgumentParser:
    """The command line of `mt import`."""
    parser = argparse.ArgumentParser(
        prog="mt import",
        description="Make a run of a Marian model in Hugging Face's format, as those of OPUS-MT: to translate with, or "
        "as a start for fine-tuning. Needs the extra `export`: pip install 'mt[export]'.",
    )
    parser.add_argument("model", help="its folder; or its name on the hub, where there is a network")
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder to write; it must not be there yet")
    parser.add_argument("--src-lang", metavar="LANG", help="source language; default: what the model says")
    parser.add_argument("--tgt-lang", metavar="LANG", help="target language; default: what the model says")
    return parser


def main(arguments: list[str]) -> int:
    """Import; the exit code."""
    options = build_parser().parse_args(arguments)
    set_up_console()
    check_free(options.run)
    require_package("transformers")
    quiet_transformers()
    from mt.interop.from_huggingface import import_huggingface

    config, tokenizer, model = import_huggingface(options.model, options.src_lang, options.tgt_lang)
    config.run_dir = str(options.run)
    with replacing(options.run) as folder:
        folder.mkdir()
        save_config(config, folder / "config.yaml")
        tokenizer.save(folder)
        save_weights(weights_of(model), folder / "model.safetensors")
    print(f"The model is in {options.run}. To fine-tune it:\n{fine_tuning_command(options.run, config)}")
    return 0


def fine_tuning_command(run: Path, config: Config) -> str:
    """A command that trains it on."""
    values = {key: getattr(config.model, key) for key in SHAPE_KEYS}
    shape = [f"model.{key}={str(getattr(value, 'value', value)).lower()}" for key, value in values.items()]
    return (
        f"mt train name=tuned training.init_from={run} data=files data.src_lang={config.data.src_lang} "
        f"data.tgt_lang={config.data.tgt_lang} data.train=PREFIX data.valid=PREFIX tokenizer.joint=false optim.lr=1e-4 "
        f"{' '.join(shape)}"
    )
