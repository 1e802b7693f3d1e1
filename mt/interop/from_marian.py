"""Import of Marian models of Hugging Face transformers, such as those of OPUS-MT."""

import re
from pathlib import Path

import torch

from mt.config.choices import LengthNorm, Norm
from mt.config.data import DataConfig
from mt.config.schema import Config, TokenizerConfig
from mt.config.search import SearchConfig
from mt.errors import UserError
from mt.interop.huggingface_names import sines_first
from mt.interop.theirs import Kind, Theirs, convert_weights, model_config
from mt.interop.vocabularies import UNUSED, USER_DEFINED, adapt_vocabulary, check_ids
from mt.model.transformer import Transformer
from mt.text.tokenizer import Tokenizer

MARIAN = Kind(
    "a Marian model",
    "MarianMTModel",
    "MarianTokenizer",
    {
        "scale_embedding": True, "static_position_embeddings": True, "normalize_before": False,
        "normalize_embedding": False, "add_final_layer_norm": False,
    },
)  # fmt: skip


def check_files(origin: str) -> None:
    """Raise `UserError` if a folder lacks a file of the tokenizer."""
    if Path(origin).is_dir():
        for name in ("source.spm", "target.spm", "vocab.json"):
            if not (Path(origin) / name).is_file():
                raise UserError(f"{origin} is not a Marian model with its tokenizer: it has no {name}.")


def convert_marian(theirs: Theirs, langs: tuple[str | None, str | None]) -> tuple[Config, Tokenizer, Transformer]:
    """Convert a Marian model; languages that are None are those that it states.

    Raises:
        UserError: it does not state its languages.
    """
    config, tokenizer = theirs.model.config, theirs.tokenizer
    src_lang, tgt_lang = langs[0] or tokenizer.source_lang, langs[1] or tokenizer.target_lang
    if not src_lang or not tgt_lang:
        raise UserError(f"{theirs.origin} does not state its languages: add --src-lang and --tgt-lang.")
    start, src_ids = config.decoder_start_token_id, tokenizer.encoder
    tgt_ids = tokenizer.target_encoder if tokenizer.separate_vocabs else src_ids
    for side, ids in ((theirs.model.model.encoder, src_ids), (theirs.model.model.decoder, tgt_ids)):
        check_ids(theirs.origin, ids, start, len(side.embed_tokens.weight))
    source = adapt_vocabulary(tokenizer.spm_source.serialized_model_proto(), src_ids, start, extra_piece)
    target = adapt_vocabulary(tokenizer.spm_target.serialized_model_proto(), tgt_ids, start, extra_piece)
    tied = torch.equal(theirs.model.lm_head.weight, theirs.model.model.decoder.embed_tokens.weight)
    max_len = min(config.max_position_embeddings - 2, 1024)
    own = Config(
        name=f"{src_lang}-{tgt_lang}",
        data=DataConfig(src_lang, tgt_lang, theirs.origin, theirs.origin, max_len=max_len),
        tokenizer=TokenizerConfig(joint=False),
        model=model_config(config, norm=Norm.post, tie_embeddings=tied),
        search=SearchConfig(length_norm=LengthNorm.average),  # as in transformers' beam search
    )
    model = Transformer(own.model, len(source.rows), len(target.rows), joint=False)
    order = sines_first(config.d_model).argsort()
    weights = convert_weights(theirs.weights, own.model, (source.rows, target.rows), order)
    weights["projection.bias"] = theirs.weights["final_logits_bias"][0, target.rows]
    model.load_state_dict(weights)
    return own, Tokenizer(source.proto, target.proto), model.eval()


def extra_piece(text: str) -> tuple[str, int]:
    """Return how a piece is named that the SentencePiece model of one language lacks, and its type.

    Language tags such as `>>fra<<` are one piece before the text. The others can be generated, but text is not
    segmented into them.
    """
    is_tag = re.fullmatch(r">>.+<<", text) is not None
    return (f"▁{text}", USER_DEFINED) if is_tag else (text, UNUSED)
