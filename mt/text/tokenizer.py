"""Text to subword ids and back with SentencePiece: one vocabulary for both languages, or one for each.

Text is not normalised except for repeated spaces, so that everything on the target side can be produced again.
Characters without a piece are spelled in bytes, so that nothing is unknown.
"""

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from random import Random

import sentencepiece

from mt.config.checks import check_file
from mt.errors import UserError
from mt.runtime.checksums import check_sum, replacing_recorded
from mt.text.characters import is_word_character
from mt.text.copying import MARKERS, mark_pair
from mt.text.plain_form import PlainForm, to_plain
from mt.text.sampling import SubwordSampler
from mt.text.tags import Tags

Rows = list[list[int]]
Pairs = list[tuple[list[int], list[int]]]
"""source and target ids of each pair, without special ids"""

PAD, UNK, BOS, EOS = 0, 1, 2, 3
N_SPECIAL = 4 + 256  # the four ids above and the bytes
MAX_BYTES = 1 << 28
"""largest SentencePiece model; one of 64,000 pieces takes about a million bytes"""
SEPARATOR = "\ue000"  # a private-use character, which normal text does not contain


class Tokenizer:
    """A SentencePiece model for each language; the same one twice if the vocabulary is joint."""

    pad_id, unk_id, bos_id, eos_id = PAD, UNK, BOS, EOS

    def __init__(self, src_proto: bytes, tgt_proto: bytes | None = None) -> None:
        """Load serialised SentencePiece models; without `tgt_proto`, the first serves both languages.

        Raises:
            ValueError: a model is damaged, or its special ids are not pad 0, unk 1, bos 2, eos 3.
        """
        self.joint = tgt_proto is None
        self.protos = (src_proto,) if tgt_proto is None else (src_proto, tgt_proto)
        self.src = load_processor(src_proto)
        self.tgt = self.src if tgt_proto is None else load_processor(tgt_proto)

    @property
    def vocab_sizes(self) -> tuple[int, int]:
        """Numbers of source and target pieces."""
        return self.src.get_piece_size(), self.tgt.get_piece_size()

    @property
    def fingerprint(self) -> str:
        """Hash of everything that determines how text is encoded."""
        return hashlib.sha256(b"".join(self.protos)).hexdigest()[:16]

    @cached_property
    def src_texts(self) -> list[bytes]:
        """The text of each source piece, as in `tgt_texts`."""
        return [piece_text(self.src, number) for number in range(self.vocab_sizes[0])]

    @cached_property
    def tgt_texts(self) -> list[bytes]:
        """The text of each target piece, with a space before a piece that starts a word; empty for special ids."""
        return [piece_text(self.tgt, number) for number in range(self.vocab_sizes[1])]

    @cached_property
    def tags(self) -> dict[str, int]:
        """Source ids of the tags that can stand before text, by name; no text is segmented into them."""
        return tags_of(self.src)

    @cached_property
    def tgt_tags(self) -> dict[str, int]:
        """Target ids of the same tags."""
        return tags_of(self.tgt)

    def with_tags(self, names: Sequence[str]) -> "Tokenizer":
        """Return a tokenizer that also has these tags, after all other pieces."""
        from sentencepiece import sentencepiece_model_pb2

        new = [name for name in names if name not in self.tags]
        protos = []
        for proto in self.protos if new else ():
            model = sentencepiece_model_pb2.ModelProto.FromString(proto)  # type: ignore[attr-defined]
            for name in new:
                model.pieces.add(piece=name, score=0.0, type=model.SentencePiece.CONTROL)
            protos.append(model.SerializeToString())
        return Tokenizer(*protos) if new else self

    @property
    def never_generated(self) -> list[int]:
        """Target ids that no translation contains."""
        return [PAD, BOS, UNK, *self.tgt_tags.values()]

    def encode_tags(self, src: Sequence[str], tgt: Sequence[str] = ()) -> Tags:
        """Return the tags of a source and of its translation.

        Raises:
            UserError: the vocabulary lacks one.
        """
        for tag in (*src, *tgt):
            if tag not in self.tags:
                known = f"it has: {', '.join(self.tags)}" if self.tags else "it was trained without any"
                raise UserError(f"The model has no tag {tag}; {known}.")
        return Tags([self.tags[tag] for tag in src], [self.tgt_tags[tag] for tag in tgt])

    @cached_property
    def samplers(self) -> tuple[SubwordSampler, SubwordSampler]:
        """Samplers of segmentations in source and target pieces."""
        source = SubwordSampler(self.src)
        return source, source if self.joint else SubwordSampler(self.tgt)

    @cached_property
    def markers(self) -> list[str]:
        """The markers that both vocabularies have, each a character."""
        return [marker for marker in MARKERS if UNK not in (self.src.piece_to_id(marker), self.tgt.piece_to_id(marker))]

    @cached_property
    def characters(self) -> frozenset[str]:
        """The characters of the source vocabulary; all others are spelled in bytes."""
        texts = (text.decode() for number, text in enumerate(self.src_texts) if not self.src.is_byte(number))
        return frozenset(" \t").union(*texts)

    def knows(self, text: str) -> bool:
        """Return whether a text can be encoded without spelling a character in bytes."""
        known = self.characters
        return known.issuperset(text) or known.issuperset(self.src.normalize(text).replace("▁", " "))

    def plain_form(self, text: str, langs: tuple[str, str]) -> PlainForm:
        """Return the form of a source text that a model of this vocabulary translates best between two languages."""
        return to_plain(text, self.knows, self.markers, langs)

    def encode_pairs(self, pairs: Sequence[tuple[str, str]]) -> tuple[Rows, Rows]:
        """Encode pairs for training, with markers for what both sides have in common and has to be copied."""
        if self.markers:
            pairs = [mark_pair(src, tgt, self.knows, self.markers) for src, tgt in pairs]
        return self.encode_src([src for src, _ in pairs]), self.encode_tgt([tgt for _, tgt in pairs])

    @cached_property
    def tgt_continuing(self) -> list[int]:
        """Target pieces that continue a word."""
        starts = (text.decode(errors="ignore")[:1] for text in self.tgt_texts)
        return [number for number, start in enumerate(starts) if start and is_word_character(start)]

    @cached_property
    def tgt_without_letters(self) -> list[bool]:
        """For each target piece, whether it has no letter: digits, punctuation and special ids."""
        texts = (text.decode(errors="ignore") for text in self.tgt_texts)
        return [not any(map(str.isalpha, text)) for text in texts]

    def encode_src(self, lines: list[str]) -> list[list[int]]:
        """Encode source lines without special ids, on all cores."""
        return encode(self.src, lines)

    def encode_tgt(self, lines: list[str]) -> list[list[int]]:
        """Encode target lines without special ids, on all cores."""
        return encode(self.tgt, lines)

    def encode_phrase(self, phrase: str) -> tuple[list[int], list[int]]:
        """Return the target ids of a phrase at the start of a word, and directly after other text."""
        at_start, after_mark = encode(self.tgt, [phrase, SEPARATOR + phrase])
        if self.unk_id in at_start:
            raise UserError(f"The vocabulary has no pieces for '{phrase}'.")
        n_mark = len(encode(self.tgt, [SEPARATOR])[0])
        return at_start, after_mark[n_mark:]

    def encode_prefix(self, text: str) -> list[int]:
        """Return the target ids that a translation must begin with."""
        return self.encode_phrase(text)[0] if text else []

    def resample(self, pairs: Pairs, alpha: float, seed: int) -> Pairs:
        """Segment the text of both sides again, at random (Kudo, "Subword Regularization", 2018).

        Args:
            alpha: unigram: exponent of the probabilities, smaller: more random; BPE: probability of dropping a merge
                (Provilkov et al., "BPE-Dropout", 2020).
            seed: determines the segmentation.
        """
        random = Random(seed)
        sides = []
        for processor, sampler, rows in zip((self.src, self.tgt), self.samplers, zip(*pairs, strict=True), strict=True):
            sides.append([sampler.sample(text, alpha, random) for text in processor.decode(list(rows))])
        return list(zip(*sides, strict=True))

    def decode_src(self, ids: list[int]) -> str:
        """Decode source ids to text."""
        return str(self.src.decode(ids))

    def decode_tgt(self, ids: list[int]) -> str:
        """Decode target ids to text; special ids are dropped, and bytes that are not UTF-8 become U+FFFD."""
        return str(self.tgt.decode(ids))

    def save(self, paths: Sequence[Path]) -> None:
        """Write the one or two models to files."""
        for path, proto in zip(paths, self.protos, strict=True):
            with replacing_recorded(path) as temporary:
                temporary.write_bytes(proto)


def tags_of(processor: sentencepiece.SentencePieceProcessor) -> dict[str, int]:
    """Return the ids of a vocabulary's tags by name."""
    numbers = (i for i in range(processor.get_piece_size()) if processor.is_control(i))
    return {processor.id_to_piece(i): i for i in numbers if i not in (PAD, BOS, EOS)}


def piece_text(processor: sentencepiece.SentencePieceProcessor, number: int) -> bytes:
    """Return the text that a piece stands for."""
    piece: str = processor.id_to_piece(number)
    if processor.is_control(number) or processor.is_unknown(number):
        return b""
    return bytes([int(piece[3:5], 16)]) if processor.is_byte(number) else piece.replace("▁", " ").encode()


def load_processor(proto: bytes) -> sentencepiece.SentencePieceProcessor:
    """Load a SentencePiece model whose special ids are those that the rest of the code relies on."""
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(proto)
    except RuntimeError as error:
        raise ValueError("not a SentencePiece model") from error
    ids = (processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id())
    if ids != (PAD, UNK, BOS, EOS):
        raise ValueError(f"pad, unk, bos and eos have the ids {ids}, not {(PAD, UNK, BOS, EOS)}")
    return processor


def encode(processor: sentencepiece.SentencePieceProcessor, lines: list[str]) -> list[list[int]]:
    """Encode lines, on all cores if there are many lines."""
    ids: list[list[int]] = processor.encode(lines, num_threads=os.cpu_count() or 1 if len(lines) > 64 else 1)
    return ids


def load_tokenizer(paths: Sequence[Path]) -> Tokenizer:
    """Read the one or two models that `Tokenizer.save` wrote.

    Raises:
        UserError: a file is missing or damaged.
    """
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} is missing: a model does not work without its tokenizer.")
        check_file(path, MAX_BYTES)
        check_sum(path)
    try:
        return Tokenizer(*(path.read_bytes() for path in paths))
    except ValueError as error:
        files = " or ".join(str(path) for path in paths)
        raise UserError(f"{files} is damaged: {error}. Restore it, or train again in another folder.") from error
