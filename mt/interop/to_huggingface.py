"""Export to plain Hugging Face transformers, with the tokenizer.

Two of its architectures match ours. Pre-norm models become Blenderbot, which stores its table of positions. Post-norm
models become Marian, which computes its table: all sines, then all cosines. Ours alternate, so all features are
reordered, which does not change results.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from typing_extensions import assert_never

from mt.config.choices import Activation, LengthNorm, Norm, Positions
from mt.config.schema import ModelConfig
from mt.config.search import SearchConfig
from mt.errors import UserError
from mt.interop.huggingface_names import names, sines_first
from mt.model.layers import Embedding, sinusoids
from mt.model.transformer import Transformer
from mt.text.tokenizer import Tokenizer

LOGIT_OF_NOTHING = -1e9
"""logit of ids that only pad the smaller vocabulary"""
TYPICAL_LENGTH = 10
"""length in pieces at which the length norms agree"""


def check_fits(config: ModelConfig) -> None:
    """Raise `UserError` if transformers has no such architecture."""
    if config.activation is Activation.swiglu:
        raise UserError("--to huggingface: transformers has no translation model with model.activation=swiglu.")
    if config.norm is Norm.post and config.positions is Positions.learned:
        raise UserError(
            "--to huggingface: transformers has no translation model with both model.norm=post and "
            "model.positions=learned."
        )


def save_huggingface(
    model: Transformer,
    tokenizer: Tokenizer,
    folder: Path,
    n_positions: int,
    langs: tuple[str, str],
    search: SearchConfig,
) -> None:
    """Write model, tokenizer and generation settings into a new folder.

    Args:
        search: the search that the generation settings imitate.
        n_positions: longest text in pieces; a model with learned positions takes as many as it has.
    """
    import transformers

    check_fits(model.config)
    pre_norm = model.config.norm is Norm.pre
    if pre_norm and model.config.positions is Positions.learned:
        n_positions = len(model.src_embedding.positions)
    config = build_config(model, tokenizer, n_positions)
    theirs = (transformers.BlenderbotForConditionalGeneration if pre_norm else transformers.MarianMTModel)(config)
    order = torch.arange(model.config.d_model) if pre_norm else sines_first(model.config.d_model)
    weights = convert_weights(model, theirs.state_dict(), order)
    theirs.load_state_dict(weights)
    theirs.generation_config = transformers.GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=tokenizer.bos_id, eos_token_id=tokenizer.eos_id, pad_token_id=tokenizer.pad_id,
        decoder_start_token_id=tokenizer.bos_id,
        suppress_tokens=[*tokenizer.never_generated, *map(tokenizer.tgt.piece_to_id, tokenizer.markers)],
        num_beams=search.beam_size, no_repeat_ngram_size=search.no_repeat_ngram, max_length=n_positions,
        **({"length_penalty": their_length_penalty(search), "early_stopping": "never"} if search.beam_size > 1 else {}),
    )  # fmt: skip
    theirs.save_pretrained(folder)
    for path in folder.glob("*.safetensors"):  # which safetensors lets only their owner read
        path.chmod((folder / "config.json").stat().st_mode)
    save_tokenizer(tokenizer, folder, n_positions, langs)


def their_length_penalty(search: SearchConfig) -> float:
    """Return the exponent by which transformers compares hypotheses most nearly as the search does.

    Their divisor is length ** exponent. That of GNMT, (5 + length) ** alpha, grows in the same way at length n if the
    exponent is alpha * n / (5 + n).
    """
    match search.length_norm:
        case LengthNorm.none:
            return 0.0
        case LengthNorm.average:
            return search.length_penalty
        case LengthNorm.gnmt:
            return search.length_penalty * TYPICAL_LENGTH / (5 + TYPICAL_LENGTH)
        case other:
            assert_never(other)


def build_config(model: Transformer, tokenizer: Tokenizer, n_positions: int) -> Any:
    """Convert our configuration to theirs."""
    import transformers

    own, sizes = model.config, tokenizer.vocab_sizes
    shared: dict[str, Any] = {
        "d_model": own.d_model, "encoder_layers": own.n_encoder_layers, "decoder_layers": own.n_decoder_layers,
        "encoder_attention_heads": own.n_heads, "decoder_attention_heads": own.n_heads,
        "encoder_ffn_dim": own.d_ff, "decoder_ffn_dim": own.d_ff, "activation_function": own.activation.value,
        "dropout": own.dropout, "scale_embedding": True, "max_position_embeddings": n_positions,
        "pad_token_id": tokenizer.pad_id, "bos_token_id": tokenizer.bos_id, "eos_token_id": tokenizer.eos_id,
        "decoder_start_token_id": tokenizer.bos_id, "forced_eos_token_id": None, "vocab_size": max(sizes),
        "tie_word_embeddings": own.tie_embeddings and tokenizer.joint,
    }  # fmt: skip
    if own.norm is Norm.pre:
        return transformers.BlenderbotConfig(**shared, encoder_no_repeat_ngram_size=0)
    return transformers.MarianConfig(
        **shared, decoder_vocab_size=max(sizes), share_encoder_decoder_embeddings=shared["tie_word_embeddings"]
    )


def convert_weights(model: Transformer, theirs: dict[str, Tensor], order: Tensor) -> dict[str, Tensor]:
    """Rename weights, and put the model's features into their `order`."""
    weights, own = dict(theirs), model.state_dict()

    def put(name: str, weight: Tensor) -> None:
        assert weights[name].shape[1:] == weight.shape[1:], name
        weights[name] = torch.zeros_like(weights[name])
        weights[name][: len(weight)] = weight

    for name in names(model.config):
        weight = own[name.own]
        put(name.theirs, weight if name.features is None else weight.index_select(name.features, order))
    for side, embedding in (("encoder", model.src_embedding), ("decoder", model.tgt_embedding)):
        n_positions = len(theirs[f"model.{side}.embed_positions.weight"])
        put(f"model.{side}.embed_positions.weight", positions(embedding, n_positions)[:, order])
    if "model.shared.weight" in weights:
        put("model.shared.weight", model.tgt_embedding.tokens.weight[:, order])
    bias = torch.zeros(model.projection.out_features) if model.projection.bias is None else model.projection.bias
    logits_bias = torch.full_like(weights["final_logits_bias"], LOGIT_OF_NOTHING)
    logits_bias[:, : len(bias)] = bias
    weights["final_logits_bias"] = logits_bias
    return weights


def positions(embedding: Embedding, count: int) -> Tensor:
    """Return the table of positions."""
    if embedding.learned_positions:
        return embedding.positions[:count]
    return sinusoids(count, embedding.tokens.embedding_dim)


def save_tokenizer(tokenizer: Tokenizer, folder: Path, n_positions: int, langs: tuple[str, str]) -> None:
    """Write the SentencePiece models and vocabularies in the format of transformers' MarianTokenizer."""
    sides = {"source": tokenizer.src, "target": tokenizer.tgt}
    for (side, processor), proto in zip(sides.items(), (tokenizer.protos * 2)[:2], strict=True):
        (folder / f"{side}.spm").write_bytes(proto)
        pieces = {their_name(processor.id_to_piece(i), tokenizer): i for i in range(processor.get_piece_size())}
        name = "vocab.json" if side == "source" else "target_vocab.json"
        (folder / name).write_text(json.dumps(pieces, ensure_ascii=False), encoding="utf-8")
    if tokenizer.joint:
        (folder / "target_vocab.json").unlink()
    special = {"unk": tokenizer.unk_id, "bos": tokenizer.bos_id, "eos": tokenizer.eos_id, "pad": tokenizer.pad_id}
    settings = {
        "tokenizer_class": "MarianTokenizer",
        "source_lang": langs[0],
        "target_lang": langs[1],
        "separate_vocabs": not tokenizer.joint,
        "model_max_length": n_positions,
        "clean_up_tokenization_spaces": False,
        **{f"{name}_token": tokenizer.tgt.id_to_piece(i) for name, i in special.items()},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")


def their_name(piece: str, tokenizer: Tokenizer) -> str:
    """Return a tag as MarianTokenizer looks it up, such as `>>fra<<`; other pieces unchanged."""
    if piece in tokenizer.tags:
        return f">>{piece[1:-1]}<<"
    return piece[1:] if piece.startswith("▁>>") and piece.endswith("<<") else piece
