"""Text to subword ids and back, with SentencePiece: one vocabulary for both languages, or one each.

Text is taken as it is (normalisation "identity", but for repeated spaces), so that everything the target side writes
can come out again. Characters without a piece are spelt in bytes, so nothing is ever unknown.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import sentencepiece

from mt.errors import UserError
from mt.runtime.files import replacing
from mt.text.sentences import is_word_character

Rows = list[list[int]]
Pairs = list[tuple[list[int], list[int]]]
"""source and target ids of each pair, no special ids among them"""

PAD, UNK, BOS, EOS = 0, 1, 2, 3
AUTOMATIC_VOCAB_SIZE = 8000
LONGEST_LINE_BYTES = 100_000
SEPARATOR = "\ue000"  # for private use: no text has it, so that no piece contains it
N_SPECIAL = 4 + 256  # the four ids above and the bytes


@dataclass(frozen=True)
class SubwordSettings:
    """How SentencePiece is trained; the fields are those of the configuration's `tokenizer` section."""

    model_type: str = "unigram"
    vocab_size: int | None = None
    character_coverage: float = 0.9995
    max_train_sentences: int = 500_000
    tags: Sequence[str] = ()
    """pieces that no text is cut into"""


class Tokenizer:
    """A SentencePiece model a language, the same one twice when the vocabulary is joint."""

    pad_id, unk_id, bos_id, eos_id = PAD, UNK, BOS, EOS

    def __init__(self, src_proto: bytes, tgt_proto: bytes | None = None) -> None:
        """Take serialised SentencePiece models; without `tgt_proto`, the one serves both languages.

        Raises:
            ValueError: a model is damaged, or its special ids are not pad 0, unk 1, bos 2, eos 3.
        """
        self.joint = tgt_proto is None
        self.protos = (src_proto,) if tgt_proto is None else (src_proto, tgt_proto)
        self.src = load_processor(src_proto)
        self.tgt = self.src if tgt_proto is None else load_processor(tgt_proto)

    @property
    def vocab_sizes(self) -> tuple[int, int]:
        """Number of source and of target pieces."""
        return self.src.get_piece_size(), self.tgt.get_piece_size()

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides how text is encoded."""
        return hashlib.sha256(b"".join(self.protos)).hexdigest()[:16]

    @cached_property
    def src_texts(self) -> list[bytes]:
        """What each source piece writes, as `tgt_texts`."""
        return [piece_text(self.src, number) for number in range(self.vocab_sizes[0])]

    @cached_property
    def tgt_texts(self) -> list[bytes]:
        """What each target piece writes: a space where a word begins, nothing for special ids."""
        return [piece_text(self.tgt, number) for number in range(self.vocab_sizes[1])]

    @cached_property
    def tags(self) -> dict[str, int]:
        """Pieces that stand before a source and that no text is cut into, with their ids."""
        numbers = (i for i in range(self.vocab_sizes[0]) if self.src.is_control(i))
        return {self.src.id_to_piece(i): i for i in numbers if i not in (PAD, BOS, EOS)}

    def encode_tags(self, tags: Sequence[str]) -> list[int]:
        """Source ids of tags.

        Raises:
            UserError: the vocabulary has no such tag.
        """
        for tag in tags:
            if tag not in self.tags:
                raise UserError(f"The model has no tag {tag}; it has: {', '.join(self.tags) or 'none'}.")
        return [self.tags[tag] for tag in tags]

    @cached_property
    def tgt_continuing(self) -> list[int]:
        """Target pieces that go on with a word."""
        starts = (text.decode(errors="ignore")[:1] for text in self.tgt_texts)
        return [number for number, start in enumerate(starts) if start and is_word_character(start)]

    def encode_src(self, lines: list[str]) -> list[list[int]]:
        """Source lines to ids, no special ids added; uses all cores."""
        return encode(self.src, lines)

    def encode_tgt(self, lines: list[str]) -> list[list[int]]:
        """Target lines to ids, no special ids added; uses all cores."""
        return encode(self.tgt, lines)

    def encode_phrase(self, phrase: str) -> tuple[list[int], list[int]]:
        """Target ids of a phrase: where a word begins, and where it follows other text without a space.

        Raises:
            UserError: it has a character that this vocabulary cannot write.
        """
        at_start, behind_mark = encode(self.tgt, [phrase, SEPARATOR + phrase])
        if self.unk_id in at_start:
            raise UserError(f"The vocabulary has no pieces for '{phrase}'.")
        n_mark = len(encode(self.tgt, [SEPARATOR])[0])
        return at_start, behind_mark[n_mark:]

    def encode_prefix(self, text: str) -> list[int]:
        """Target ids of what a translation begins with.

        Raises:
            UserError: it has a character that this vocabulary cannot write.
        """
        return self.encode_phrase(text)[0] if text else []

    def resample(self, pairs: Pairs, alpha: float, seed: int) -> Pairs:
        """The same text cut into other pieces at random (Kudo, "Subword Regularization", 2018), both sides.

        Args:
            alpha: unigram: exponent of the probabilities, smaller is wilder; BPE: probability that a merge is left out
                (Provilkov et al., "BPE-Dropout", 2020).
            seed: the same one gives the same pieces.
        """
        sources = sample(self.src, [src for src, _ in pairs], alpha, seed)
        targets = sample(self.tgt, [tgt for _, tgt in pairs], alpha, seed)
        return list(zip(sources, targets, strict=True))

    def decode_src(self, ids: list[int]) -> str:
        """Source ids to text."""
        return str(self.src.decode(ids))

    def decode_tgt(self, ids: list[int]) -> str:
        """Target ids to text; special ids say nothing, and bytes that are no UTF-8 become U+FFFD."""
        return str(self.tgt.decode(ids))

    def save(self, folder: Path) -> None:
        """Write `tokenizer.model`, or `tokenizer.src.model` and `tokenizer.tgt.model` where they are two."""
        for path, proto in zip(model_paths(folder, self.joint), self.protos, strict=True):
            with replacing(path) as temporary:
                temporary.write_bytes(proto)


def piece_text(processor: sentencepiece.SentencePieceProcessor, number: int) -> bytes:
    """What a piece writes."""
    piece: str = processor.id_to_piece(number)
    if processor.is_control(number) or processor.is_unknown(number):
        return b""
    return bytes([int(piece[3:5], 16)]) if processor.is_byte(number) else piece.replace("▁", " ").encode()


def sample(processor: sentencepiece.SentencePieceProcessor, rows: Rows, alpha: float, seed: int) -> Rows:
    """Rows of ids as other ids for the same text."""
    sentencepiece.set_random_generator_seed(seed % 2**32)
    text = processor.decode(rows)
    # Each call starts a thread, and each thread a generator from the seed: with one thread it is the same each time.
    return list(processor.encode(text, enable_sampling=True, alpha=alpha, nbest_size=-1, num_threads=1))


def load_processor(proto: bytes) -> sentencepiece.SentencePieceProcessor:
    """A processor whose special ids are the ones that the rest of the code relies on."""
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
    """Lines to ids, on all cores where there are many."""
    ids: list[list[int]] = processor.encode(lines, num_threads=os.cpu_count() or 1 if len(lines) > 64 else 1)
    return ids


def model_paths(folder: Path, joint: bool) -> list[Path]:
    """The tokeniser's files in a run folder."""
    names = ["tokenizer.model"] if joint else ["tokenizer.src.model", "tokenizer.tgt.model"]
    return [folder / name for name in names]


def load_tokenizer(folder: Path, joint: bool = True) -> Tokenizer:
    """Read what `Tokenizer.save` wrote.

    Raises:
        UserError: a file is missing or damaged.
    """
    paths = model_paths(folder, joint)
    try:
        return Tokenizer(*(path.read_bytes() for path in paths))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} is missing: a model does not work without its tokeniser.") from None
    except ValueError as error:
        files = " or ".join(str(path) for path in paths)
        raise UserError(f"{files} is damaged: {error}. Restore it, or train anew in another folder.") from error


Lines = Callable[[], Iterable[str]]


def train_tokenizer(src_lines: Lines, tgt_lines: Lines, settings: SubwordSettings, joint: bool) -> Tokenizer:
    """Learn the subword pieces of the training text.

    Raises:
        UserError: the vocabulary asked for is larger or smaller than this text allows; the bounds are named.
    """
    if not joint:
        return Tokenizer(train_subwords(src_lines(), settings), train_subwords(tgt_lines(), settings))

    def both() -> Iterator[str]:
        yield from src_lines()
        yield from tgt_lines()

    return Tokenizer(train_subwords(both(), settings))


def train_subwords(lines: Iterable[str], settings: SubwordSettings) -> bytes:
    """A serialised SentencePiece model of `lines`."""
    model = io.BytesIO()
    failures: list[UserError] = []

    def read() -> Iterator[str]:
        try:
            yield from (line for line in lines if line.strip())
        except UserError as error:  # SentencePiece would make another error of it
            failures.append(error)
            raise

    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=read(),
            model_writer=model,
            model_type=settings.model_type,
            vocab_size=settings.vocab_size or AUTOMATIC_VOCAB_SIZE,
            hard_vocab_limit=settings.vocab_size is not None,
            character_coverage=settings.character_coverage,
            input_sentence_size=settings.max_train_sentences,
            shuffle_input_sentence=True,
            max_sentence_length=LONGEST_LINE_BYTES,  # by default, lines over 4,192 bytes would be left out silently
            normalization_rule_name="identity",
            byte_fallback=True,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            control_symbols=list(settings.tags),
            minloglevel=2,
        )
    except RuntimeError as error:
        raise (failures or [UserError(explain_training_failure(str(error), settings))])[0] from error
    return model.getvalue()


def explain_training_failure(message: str, settings: SubwordSettings) -> str:
    """SentencePiece's complaint in the words of the configuration."""
    key = f"tokenizer.vocab_size={settings.vocab_size or AUTOMATIC_VOCAB_SIZE}"
    too_large = re.search(r"set it to a value <= (\d+)", message)
    if too_large or "Vocabulary size too high" in message or "Vocabulary size is too high" in message:
        bound = f"at most {too_large[1]}" if too_large else "fewer"
        return (
            f"{key} is more than this corpus allows: it gives {bound} pieces. Set a lower number, "
            "or tokenizer.vocab_size=null to take as many as there are."
        )
    too_small = re.search(r"smaller than required_chars. \d+ vs (\d+)", message)
    if too_small:
        return (
            f"{key} is less than the {too_small[1]} characters and special pieces that the text needs: set a higher "
            "number, or lower tokenizer.character_coverage."
        )
    return f"{key}: SentencePiece could not be trained on this text: {message.splitlines()[-1]}"
