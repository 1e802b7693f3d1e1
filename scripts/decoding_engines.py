"""The engines that `bench_decoding.py` times: mt's own search, and others with the weights of the same run.

All of them compare translations by their average log-probability per token and finish a sentence when as many
hypotheses have ended as the beam is wide, so that they do the same work and find the same translations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Translate = Callable[[list[str], int], list[str]]
"""lines and beam size -> translations"""


@dataclass(frozen=True)
class Models:
    """The folders with the same weights."""

    run: Path
    ctranslate2: Path
    huggingface: Path
    n_threads: int


def mt_engine(models: Models, patience: float | None = 1.0, bf16: bool = False) -> Translate:
    """Build the engine of `mt translate`."""
    import torch

    from mt import SearchConfig, Translator
    from mt.config.choices import EngineName, LengthNorm
    from mt.runtime.start import keep_freed_memory

    torch.set_num_threads(models.n_threads)
    keep_freed_memory()
    translator = Translator.load(models.run, "cpu", engine=EngineName.torch)
    if bf16:
        translator.torch_engine.use_bf16()

    def translate(lines: list[str], beam_size: int) -> list[str]:
        search = SearchConfig(beam_size=beam_size, patience=patience, length_norm=LengthNorm.average)
        return [best[0].text for best in translator.n_best(lines, search, quiet=True)]

    return translate


def bf16_mt_engine(models: Models) -> Translate:
    """Build the engine of `mt translate --precision bf16`."""
    return mt_engine(models, bf16=True)


def exact_mt_engine(models: Models) -> Translate:
    """Build the engine of `mt translate` with its default: it searches until no better hypothesis is possible."""
    return mt_engine(models, patience=None)


def ctranslate2_engine(models: Models, compute_type: str) -> Translate:
    """Build CTranslate2's engine, which forms batches by tokens itself."""
    import ctranslate2

    from mt.runs.layout import RunLayout
    from mt.text.tokenizer import load_tokenizer

    engine = ctranslate2.Translator(
        str(models.ctranslate2), "cpu", compute_type=compute_type, inter_threads=1, intra_threads=models.n_threads
    )
    layout = RunLayout(models.run)
    tokenizer = load_tokenizer(layout.tokenizer(joint=layout.tokenizer(joint=True)[0].exists()))

    def translate(lines: list[str], beam_size: int) -> list[str]:
        pieces = [[tokenizer.src.id_to_piece(i) for i in ids] for ids in tokenizer.encode_src(lines)]
        results = engine.translate_batch(
            pieces, beam_size=beam_size, length_penalty=1, max_batch_size=1024, batch_type="tokens", disable_unk=True,
            max_decoding_length=2 * max(map(len, pieces)) + 20,
        )  # fmt: skip
        return [tokenizer.tgt.decode_pieces(result.hypotheses[0]) for result in results]

    return translate


def float32_engine(models: Models) -> Translate:
    """Build CTranslate2's engine in float32."""
    return ctranslate2_engine(models, "float32")


def int8_engine(models: Models) -> Translate:
    """Build CTranslate2's engine with weights and products in eight bits."""
    return ctranslate2_engine(models, "int8")


def huggingface_engine(models: Models) -> Translate:
    """Build the engine of `generate()` on batches of 64 sentences of similar length."""
    import torch
    import transformers

    torch.set_num_threads(models.n_threads)
    transformers.logging.disable_progress_bar()
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(models.huggingface)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(models.huggingface).eval()

    def translate(lines: list[str], beam_size: int) -> list[str]:
        texts = [""] * len(lines)
        order = sorted(range(len(lines)), key=lambda i: len(lines[i]))
        for start in range(0, len(order), 64):
            batch = order[start : start + 64]
            encoded = tokenizer([lines[i] for i in batch], return_tensors="pt", padding=True)
            limit = 2 * encoded["input_ids"].size(1) + 20
            with torch.inference_mode():
                ids = model.generate(
                    **encoded, num_beams=beam_size, early_stopping=beam_size > 1, do_sample=False, max_new_tokens=limit
                )
            for i, text in zip(batch, tokenizer.batch_decode(ids, skip_special_tokens=True), strict=True):
                texts[i] = text
        return texts

    return translate


ENGINES: dict[str, tuple[str | None, Callable[[Models], Translate]]] = {
    "mt": (None, mt_engine),
    "mt, exact stopping": (None, exact_mt_engine),
    "mt, bf16": (None, bf16_mt_engine),
    "CTranslate2 float32": ("ctranslate2", float32_engine),
    "CTranslate2 int8": ("ctranslate2", int8_engine),
    "Hugging Face generate()": ("transformers", huggingface_engine),
}
"""name in the table -> the package that it needs, and the function that builds it"""
