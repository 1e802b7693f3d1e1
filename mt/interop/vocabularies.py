"""SentencePiece models of other toolkits, with our special ids."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sentencepiece import sentencepiece_model_pb2

from mt.errors import UserError

SPECIAL_PIECES = ("<pad>", "<unk>", "<s>", "</s>")
UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 2, 3, 4, 5
"""types of pieces in SentencePiece's model format"""
Extra = Callable[[str], tuple[str, int] | None]
"""what becomes of a piece that the SentencePiece model lacks: its name and type; None: it is dropped"""


@dataclass(frozen=True)
class Vocabulary:
    """A SentencePiece model with our special ids, and the ids of its pieces in the imported model."""

    proto: bytes
    rows: list[int]
    """id of each piece in the imported model"""


def check_ids(origin: str, ids: Mapping[str, Any], start: Any, n_rows: int) -> None:
    """Raise `UserError` unless every piece, and the start of a translation, has one of the rows of the embeddings."""
    missing = [piece for piece in SPECIAL_PIECES if piece not in ids and piece != "<s>"]
    if missing:
        raise UserError(f"{origin}: its vocabulary lacks {missing[0]}.")
    for piece, number in (*ids.items(), ("decoder_start_token_id", start)):
        if type(number) is not int or not 0 <= number < n_rows:
            raise UserError(f"{origin}: {piece} has the id {number!r}, which is not a number from 0 to {n_rows - 1:,}.")


def adapt_vocabulary(proto: bytes, ids: dict[str, int], start: int, extra: Extra) -> Vocabulary:
    """Give a SentencePiece model our special ids and the pieces that the imported model knows.

    Pieces without an id are removed, so that text is segmented into others.

    Args:
        ids: of all pieces.
        start: the id that a translation starts with.
        extra: what becomes of the pieces that the SentencePiece model lacks.
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
        added = extra(text) if text not in texts and text not in SPECIAL_PIECES else None
        if added is not None:
            model.pieces.add(piece=added[0], score=0.0, type=added[1])
            rows.append(number)
    settings = model.trainer_spec
    settings.pad_id, settings.unk_id, settings.bos_id, settings.eos_id = range(len(SPECIAL_PIECES))
    settings.pad_piece, settings.unk_piece, settings.bos_piece, settings.eos_piece = SPECIAL_PIECES
    return Vocabulary(model.SerializeToString(), rows)
