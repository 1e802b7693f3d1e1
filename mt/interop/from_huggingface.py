"""Import of Marian models of Hugging Face transformers, such as those of OPUS-MT."""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sentencepiece import sentencepiece_model_pb2
from torch import Tensor

from mt.config.choices import Activation, LengthNorm, Norm
from mt.config.data import DataConfig
from mt.config.schema import Config, ModelConfig, TokenizerConfig
from mt.config.search import SearchConfig
from mt.errors import UserError
from mt.interop.huggingface_names import names, sines_first
from mt.model.transformer import Transformer
from mt.text.tokenizer import Tokenizer

ACTIVATIONS = {"relu": Activation.relu, "gelu": Activation.gelu, "swish": Activation.silu, "silu": Activation.silu}
SPECIAL_PIECES = ("<pad>", "<unk>", "<s>", "</s>")
UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 2, 3, 4, 5
"""types of pieces in SentencePiece's model format"""


@dataclass(frozen=True)
class Vocabulary:
    """A SentencePiece model with our special ids, and the ids of its pieces in the imported model."""

    proto: bytes
    rows: list[int]
    """id of each piece in the imported model"""


def import_huggingface(
    origin: str, src_lang: str | None, tgt_lang: str | None
) -> tuple[Config, Tokenizer, Transformer]:
    """Load a model from a folder or the hub; languages default to those that it states.

    Raises:
        UserError: it is not such a model, has a feature that ours lacks, or does not state its languages.
    """
    import transformers
    from safetensors import SafetensorError

    warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
    if Path(origin).is_dir():
        for name in ("source.spm", "target.spm", "vocab.json"):
            if not (Path(origin) / name).is_file():
                raise UserError(f"{origin} is not a Marian model with its tokenizer: it has no {name}.")
    try:
        check_fits(transformers.AutoConfig.from_pretrained(origin, trust_remote_code=False), origin)
        loaded: Any = transformers.MarianMTModel.from_pretrained(origin, output_loading_info=True)
        tokenizer: Any = transformers.MarianTokenizer.from_pretrained(origin)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{origin} is not a Marian model with its tokenizer: {str(error).splitlines()[0]}") from error
    theirs, loading = loaded
    if loading["missing_keys"]:
        raise UserError(f"{origin} is not a Marian model: it lacks {min(loading['missing_keys'])}.")
    start = theirs.config.decoder_start_token_id
    src_vocab = tokenizer.encoder
    tgt_vocab = tokenizer.target_encoder if tokenizer.separate_vocabs else src_vocab
    source = adapt_vocabulary(tokenizer.spm_source.serialized_model_proto(), src_vocab, start)
    target = adapt_vocabulary(tokenizer.spm_target.serialized_model_proto(), tgt_vocab, start)
    config = build_config(theirs.config, origin, (src_lang or tokenizer.source_lang, tgt_lang or tokenizer.target_lang))
    config.model.tie_embeddings = torch.equal(theirs.lm_head.weight, theirs.model.decoder.embed_tokens.weight)
    own = Transformer(config.model, len(source.rows), len(target.rows), joint=False)
    own.load_state_dict(convert_weights(theirs.state_dict(), config.model, source.rows, target.rows))
    return config, Tokenizer(source.proto, target.proto), own.eval()


def check_fits(config: Any, origin: str) -> None:
    """Raise `UserError` if a configuration of transformers has a feature that our model lacks."""
    if config.model_type != "marian":
        raise UserError(f"{origin} is not a Marian model, but of the type {config.model_type}.")
    wanted = {
        "scale_embedding": True, "static_position_embeddings": True, "normalize_before": False,
        "normalize_embedding": False, "add_final_layer_norm": False,
        "decoder_attention_heads": config.encoder_attention_heads, "decoder_ffn_dim": config.encoder_ffn_dim,
    }  # fmt: skip
    for key, value in wanted.items():
        if getattr(config, key, value) != value:
            raise UserError(f"{origin}: mt does not support {key}={getattr(config, key)}.")
    if config.activation_function not in ACTIVATIONS:
        raise UserError(f"{origin}: mt does not support activation_function={config.activation_function}.")


def build_config(config: Any, origin: str, langs: tuple[str | None, str | None]) -> Config:
    """Convert a Marian model's configuration to ours."""
    src_lang, tgt_lang = langs
    if not src_lang or not tgt_lang:
        raise UserError(f"{origin} does not state its languages: add --src-lang and --tgt-lang.")
    return Config(
        name=f"{src_lang}-{tgt_lang}",
        data=DataConfig(src_lang, tgt_lang, origin, origin, max_len=min(config.max_position_embeddings - 2, 1024)),
        tokenizer=TokenizerConfig(joint=False),
        model=ModelConfig(
            d_model=config.d_model,
            n_heads=config.encoder_attention_heads,
            d_ff=config.encoder_ffn_dim,
            n_encoder_layers=config.encoder_layers,
            n_decoder_layers=config.decoder_layers,
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            activation_dropout=config.activation_dropout,
            norm=Norm.post,
            activation=ACTIVATIONS[config.activation_function],
            output_bias=True,
        ),
        search=SearchConfig(length_norm=LengthNorm.average),  # as in transformers' beam search
    )


def adapt_vocabulary(proto: bytes, ids: dict[str, int], start: int) -> Vocabulary:
    """Give a SentencePiece model our special ids and all pieces that the imported model knows.

    Pieces without an id are removed, so that text is segmented into others. Pieces that only the other language has can
    be generated, but text is not segmented into them. Language tags such as `>>fra<<` are one piece before the text.

    Args:
        ids: of all pieces.
        start: the id that a translation starts with.
    """
    model = sentencepiece_model_pb2.ModelProto.FromString(proto)  # type: ignore[attr-defined]
    known = [piece for piece in model.pieces if piece.type not in (UNKNOWN, CONTROL) and piece.piece in ids]
    texts = {piece.piece for piece in known}
    special = zip(SPECIAL_PIECES, (CONTROL, UNKNOWN, CONTROL, CONTROL), strict=True)
    del model.pieces[:]
    for text, kind in special:
        model.pieces.add(piece=text, score=0.0, type=kind)
    rows = [ids["<pad>"], ids["<unk>"], start, ids["</s>"]]
    for piece in known:
        model.pieces.append(piece)
        rows.append(ids[piece.piece])
    for text, number in ids.items():
        if text not in texts and text not in SPECIAL_PIECES:
            is_tag = re.fullmatch(r">>.+<<", text) is not None
            model.pieces.add(piece=f"▁{text}" if is_tag else text, score=0.0, type=USER_DEFINED if is_tag else UNUSED)
            rows.append(number)
    settings = model.trainer_spec
    settings.pad_id, settings.unk_id, settings.bos_id, settings.eos_id = range(len(SPECIAL_PIECES))
    settings.pad_piece, settings.unk_piece, settings.bos_piece, settings.eos_piece = SPECIAL_PIECES
    return Vocabulary(model.SerializeToString(), rows)


def convert_weights(
    theirs: dict[str, Tensor], config: ModelConfig, src_rows: list[int], tgt_rows: list[int]
) -> dict[str, Tensor]:
    """Rename weights, and put features and pieces into our order."""
    order = sines_first(config.d_model).argsort()
    weights = {}
    for name in names(config):
        weight = theirs[name.theirs]
        weights[name.own] = weight if name.features is None else weight.index_select(name.features, order)
    weights["src_embedding.tokens.weight"] = weights["src_embedding.tokens.weight"][src_rows]
    for name_of_rows in ("tgt_embedding.tokens.weight", "projection.weight"):
        weights[name_of_rows] = weights[name_of_rows][tgt_rows]
    weights["projection.bias"] = theirs["final_logits_bias"][0, tgt_rows]
    return weights
