"""Import of M2M-100 (Fan et al., 2020) and NLLB-200 (NLLB Team, 2022) from Hugging Face transformers.

In these models each side begins with the tag of its language, and the decoder starts with EOS. Their sinusoids are in
another order than ours, with other rates, and start at another position, so they become a table of learned positions.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.utils.hub import cached_file

from mt.config.choices import LengthNorm, Norm, Positions
from mt.config.corpora import language_tag
from mt.config.data import DataConfig
from mt.config.schema import Config, TokenizerConfig
from mt.config.search import SearchConfig
from mt.errors import UserError, suggest
from mt.interop.theirs import Kind, Theirs, convert_weights, model_config
from mt.interop.vocabularies import CONTROL, adapt_vocabulary, check_ids
from mt.model.transformer import Transformer
from mt.text.tokenizer import Tokenizer

M2M = Kind("an M2M-100 model", "M2M100ForConditionalGeneration", "AutoTokenizer", {"scale_embedding": True})
SENTENCEPIECE = "sentencepiece.bpe.model"
CODE = re.compile(r"__(\w+?)__|([a-z]{3}_[A-Z][a-z]{3})")
"""language codes, as M2M-100 and NLLB-200 write them"""
NEVER = -30.0
"""logit of ids that are not generated, but must not make a probability of 0"""


def find_file(origin: str, name: str) -> Path:
    """Return a file of a model's folder, or of the hub."""
    try:
        found = cached_file(origin, name)
    except OSError as error:
        raise UserError(f"{origin} is not {M2M.name} with its tokenizer: it has no {name}.") from error
    assert found is not None  # a missing file is an error
    return Path(found)


def convert_m2m(theirs: Theirs, langs: tuple[str | None, str | None]) -> tuple[Config, Tokenizer, Transformer]:
    """Convert an M2M-100 or NLLB-200 model that translates between two languages unless told otherwise.

    Raises:
        UserError: a language is not given, or the model does not have it.
    """
    config = theirs.model.config
    ids = theirs.tokenizer.get_vocab() | getattr(theirs.tokenizer, "lang_token_to_id", {})  # M2M-100 keeps them apart
    src_lang, tgt_lang = choose_languages(theirs.origin, langs, [code for code in map(language_code, ids) if code])
    check_ids(theirs.origin, ids, config.decoder_start_token_id, len(theirs.model.lm_head.weight))
    proto = find_file(theirs.origin, SENTENCEPIECE).read_bytes()
    vocabulary = adapt_vocabulary(proto, ids, config.decoder_start_token_id, extra_piece)
    embeddings = [theirs.model.lm_head.weight, *(side.embed_tokens.weight for side in sides_of(theirs.model))]
    tables = [side.embed_positions for side in sides_of(theirs.model)]
    n_positions = config.max_position_embeddings
    own = Config(
        name=Path(theirs.origin).name,
        data=DataConfig(
            src_lang, tgt_lang, theirs.origin, theirs.origin, max_len=n_positions - 2, language_tags=True,
            tag_each_side=True,
        ),
        tokenizer=TokenizerConfig(joint=True),
        model=model_config(
            config, norm=Norm.pre, positions=Positions.learned,
            tie_embeddings=all(torch.equal(embeddings[0], other) for other in embeddings[1:]),
        ),
        search=SearchConfig(length_norm=LengthNorm.average),  # as in transformers' beam search
    )  # fmt: skip
    tokenizer = Tokenizer(vocabulary.proto)
    weights = convert_weights(theirs.weights, own.model, (vocabulary.rows, vocabulary.rows))
    for name, table in zip(("src_embedding.positions", "tgt_embedding.positions"), tables, strict=True):
        first = table.padding_idx + 1
        weights[name] = table.weights[first : first + n_positions]
    weights["projection.bias"] = bias_against([tokenizer.pad_id, tokenizer.bos_id], len(vocabulary.rows))
    model = Transformer(own.model, *tokenizer.vocab_sizes, joint=True, n_positions=n_positions)
    model.load_state_dict(weights)
    return own, tokenizer, model.eval()


def sides_of(model: Any) -> tuple[Any, Any]:
    """Return encoder and decoder of a model."""
    return model.model.encoder, model.model.decoder


def bias_against(unwanted: Sequence[int], size: int) -> Tensor:
    """Return a bias of the logits that excludes ids: BOS has the embedding, and would have the logit, of EOS."""
    bias = torch.zeros(size)
    bias[list(unwanted)] = NEVER
    return bias


def language_code(text: str) -> str | None:
    """Return the language code that a piece of their vocabulary stands for, if it does."""
    found = CODE.fullmatch(text)
    return (found[1] or found[2]) if found else None


def extra_piece(text: str) -> tuple[str, int] | None:
    """Return the tag for a language code; other pieces only pad the vocabulary, and are dropped."""
    code = language_code(text)
    return (language_tag(code), CONTROL) if code else None


def choose_languages(origin: str, langs: tuple[str | None, str | None], known: Sequence[str]) -> tuple[str, str]:
    """Check that both languages are given, and that the model has them."""
    src_lang, tgt_lang = langs
    if src_lang is None or tgt_lang is None:
        raise UserError(f"{origin} translates between {len(known)} languages: add --src-lang and --tgt-lang.")
    for lang in (src_lang, tgt_lang):
        if lang not in known:
            listed = ", ".join(sorted(known))
            raise UserError(f"{origin} has no language {lang}.{suggest(lang, known)} It has: {listed}.")
    return src_lang, tgt_lang
