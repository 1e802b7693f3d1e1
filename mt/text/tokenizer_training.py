"""Training of the subword tokenizer with SentencePiece."""

import io
import math
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import regex
import sentencepiece

from mt.config.choices import ModelType
from mt.config.schema import TokenizerConfig
from mt.errors import UserError
from mt.text.copying import MARKERS
from mt.text.normalization import Rules, write_rules
from mt.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer

AUTOMATIC_VOCAB_SIZE = 8000
CHARACTERS = 3_200_000
"""text, in both languages together, for which that size is right"""
LONGEST_LINE_BYTES = 100_000
EDITION = 3
"""raised whenever the same text and settings give other pieces: no cache may return those of an earlier version"""
FREQUENT = 3
"""occurrences from which on a word is a candidate for a piece"""
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
"""letters of languages without spaces between words"""
WORD = regex.compile(rf"\b[[\w\p{{M}}]--[{UNSPACED}]]+\b", regex.VERSION1)
"""a word between spaces or punctuation"""
Lines = Callable[[], Iterable[str]]


@dataclass(frozen=True)
class Extras:
    """The pieces of a vocabulary that are not learnt from the text, and its largest size."""

    tags: Sequence[str] = ()
    """pieces into which no text is segmented"""
    rules: tuple[Rules, Rules] = ({}, {})
    """normalisation of source and target text; those of the source are for both if the vocabulary is joint"""
    automatic_size: int = AUTOMATIC_VOCAB_SIZE
    """most pieces of a vocabulary without a configured size"""


NO_EXTRAS = Extras()


def vocab_size_for(n_characters: int) -> int:
    """Return the size of a vocabulary for so much text in both languages together.

    It grows with the cube root of the text, from 1,000 to 32,000 pieces: a piece has to occur often enough to be
    learned (Sennrich and Zhang, 2019).
    """
    size = AUTOMATIC_VOCAB_SIZE * math.pow(n_characters / CHARACTERS, 1 / 3)
    return 100 * round(min(32_000.0, max(1000.0, size)) / 100)


def train_tokenizer(
    src_lines: Lines, tgt_lines: Lines, config: TokenizerConfig, extras: Extras = NO_EXTRAS
) -> Tokenizer:
    """Learn the subword pieces of the training text.

    Raises:
        UserError: the vocabulary size is beyond what the text allows; the message names the bound.
    """
    if not config.joint:
        sides = zip((src_lines(), tgt_lines()), extras.rules, strict=True)
        return Tokenizer(*(train_subwords(lines, config, extras, rules) for lines, rules in sides))

    def both() -> Iterator[str]:
        yield from src_lines()
        yield from tgt_lines()

    return Tokenizer(train_subwords(both(), config, extras, extras.rules[0]))


def train_subwords(lines: Iterable[str], config: TokenizerConfig, extras: Extras, rules: Rules) -> bytes:
    """Train SentencePiece on `lines` and return the serialised model."""
    model = io.BytesIO()
    failures: list[UserError] = []

    def read() -> Iterator[str]:
        try:
            drawn = draw((line for line in lines if line.strip()), config.max_train_sentences)
            yield from drawn
            if config.model_type is ModelType.unigram:
                yield from frequent_words(drawn)
        except UserError as error:  # SentencePiece would turn it into another error
            failures.append(error)
            raise

    try:
        with tempfile.TemporaryDirectory() as folder:
            settings = {} if rules else {"normalization_rule_name": "identity"}
            if rules:
                settings["normalization_rule_tsv"] = str(write_rules(rules, Path(folder)))
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=read(),
                model_writer=model,
                model_type=config.model_type.value,
                vocab_size=config.vocab_size or extras.automatic_size,
                hard_vocab_limit=config.vocab_size is not None,
                character_coverage=config.character_coverage,
                shuffle_input_sentence=False,
                max_sentence_length=LONGEST_LINE_BYTES,  # by default, lines over 4,192 bytes are dropped silently
                **settings,  # type: ignore[arg-type]
                byte_fallback=True,
                pad_id=PAD,
                unk_id=UNK,
                bos_id=BOS,
                eos_id=EOS,
                control_symbols=list(extras.tags),
                user_defined_symbols=list(MARKERS[: config.copy_markers]),
                minloglevel=2,
            )
    except RuntimeError as error:
        raise (failures or [UserError(explain_failure(str(error), config.vocab_size or extras.automatic_size))])[
            0
        ] from error
    return model.getvalue()


def draw(lines: Iterable[str], count: int) -> list[str]:
    """Return at most `count` lines, drawn at random, the same ones every time (reservoir sampling, algorithm R).

    SentencePiece could draw them, too, but would draw others in each process.
    """
    random, drawn = Random(0), []
    for number, line in enumerate(lines):
        if number < count:
            drawn.append(line)
        elif (place := random.randrange(number + 1)) < count:
            drawn[place] = line
    return drawn


def frequent_words(lines: Iterable[str]) -> list[str]:
    """Return each word that occurs at least `FREQUENT` times, once, to be a line of its own; repeated lines count once.

    SentencePiece's candidates for unigram pieces are those strings that different characters follow
    (https://github.com/google/sentencepiece/issues/1047). A word that only spaces follow, such as "very", is none,
    however frequent it is; alone on a line, the end of the line follows it, too. Text without spaces between words has
    hardly any such strings, and too many different ones to count. Repeated lines would turn rare words into pieces.
    """
    counts = Counter(word for line in dict.fromkeys(lines) for word in WORD.findall(line))
    return [word for word, count in counts.items() if count >= FREQUENT]


def explain_failure(message: str, vocab_size: int) -> str:
    """Translate SentencePiece's error message into the terms of the configuration."""
    key = f"tokenizer.vocab_size={vocab_size}"
    too_large = re.search(r"set it to a value <= (\d+)", message)
    if too_large or "Vocabulary size too high" in message or "Vocabulary size is too high" in message:
        bound = f"at most {too_large[1]}" if too_large else "fewer"
        return (
            f"{key} is more than this corpus allows: it gives {bound} pieces. Set a lower number, "
            "or tokenizer.vocab_size=null to use as many as there are."
        )
    too_small = re.search(r"smaller than required_chars. \d+ vs (\d+)", message)
    if too_small:
        return (
            f"{key} is less than the {too_small[1]} characters and special pieces that the text needs: set a higher "
            "number, or lower tokenizer.character_coverage."
        )
    return f"{key}: SentencePiece could not be trained on this text: {message.splitlines()[-1]}"
