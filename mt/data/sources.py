"""Parallel text from wherever it lies, as one table of two columns, `src` and `tgt`.

A source is one of
    PREFIX                PREFIX.SRC and PREFIX.TGT, line by line (also .gz, .bz2, .xz)
    FILE.tsv              two columns, source and target
    FILE.jsonl, .parquet  columns named by the languages, or one column `translation` holding both
    FILE.tmx, .xlf        a translation memory, or a bilingual document
    hub:NAME[:CONFIG]     a data set of the Hugging Face hub, or a folder of one, with such columns; in full
                          hub:NAME[@REVISION][:CONFIG[:SPLIT]], as hub:me/mine@v2:de-en:train[:98%]
    pkg://mt.demo/PREFIX  the demo corpus that comes with the program
Small corpora, as those for validation, become a table in Arrow, mapped into memory from a cache that is found again by
the content of the files. Training text is read pair by pair, and never all in memory.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, BinaryIO

import datasets
import fsspec
from datasets import Dataset

from mt.data.translation_memory import SUFFIXES as MEMORIES
from mt.data.translation_memory import read_memory
from mt.errors import UserError

Pair = tuple[str, str]
COMPRESSIONS = (".gz", ".bz2", ".xz")
FEATURES = datasets.Features({"src": datasets.Value("string"), "tgt": datasets.Value("string")})


@dataclass(frozen=True)
class SourceContext:
    """What reading a source needs to know besides its name."""

    key: str
    """The configuration key that named the source, for error messages."""
    split: str
    """The split to take of a data set that has several: train, validation or test."""
    src_lang: str
    tgt_lang: str
    cache_dir: Path


@dataclass(frozen=True)
class ParallelText:
    """Pairs of sentences that are read anew each time."""

    name: str
    fingerprint: str
    """a hash of the content"""
    n_pairs: int | None
    """None where it is known only after reading"""
    read: Callable[[], Iterator[Pair]]


def open_text(sources: list[str], context: SourceContext) -> ParallelText:
    """All pairs of the sources in order; nothing is left out yet.

    Raises:
        UserError: as `load_pairs`, some of it only while the text is read.
    """
    texts = [open_source(source, context) for source in sources]
    if len(texts) == 1:
        return texts[0]
    counts = [text.n_pairs for text in texts]
    digest = hashlib.sha256(" ".join(text.fingerprint for text in texts).encode()).hexdigest()[:32]
    n_pairs = None if None in counts else sum(count for count in counts if count)
    return ParallelText(", ".join(sources), digest, n_pairs, lambda: chain.from_iterable(text.read() for text in texts))


def open_source(source: str, context: SourceContext) -> ParallelText:
    """One source, pair by pair."""
    files = None if source.startswith("hub:") else find_files(resolved(source), context)
    if files is None or files[0].suffix == ".parquet":
        table = load_source(source, context)
        return ParallelText(source, table._fingerprint, len(table), lambda: read_table(table))
    langs = (context.src_lang, context.tgt_lang)
    digest, n_lines = inspect(files, *langs)
    return ParallelText(source, digest, n_lines, lambda: read_pairs(tuple(map(str, files)), langs))


def resolved(source: str) -> str:
    """A source in a package as a path."""
    if not source.startswith("pkg://"):
        return source
    package, _, name = source.removeprefix("pkg://").partition("/")
    return str(importlib.resources.files(package) / name)


def read_table(table: Dataset) -> Iterator[Pair]:
    """The pairs of a table with the columns `src` and `tgt`."""
    for rows in table.iter(batch_size=10_000):
        yield from zip(rows["src"], rows["tgt"], strict=True)


def load_pairs(sources: list[str], context: SourceContext) -> Dataset:
    """All pairs of the sources in order, columns `src` and `tgt`; nothing is left out yet.

    Raises:
        UserError: a file is missing, not UTF-8 or malformed, sides have different lengths, or there is no pair at all.
    """
    table = datasets.concatenate_datasets([load_source(source, context) for source in sources])
    if len(table) == 0:
        raise UserError(f"{context.key}: {', '.join(sources)} is empty: there is no pair of sentences in it.")
    return table


def load_source(source: str, context: SourceContext) -> Dataset:
    """One source as a table with the columns `src` and `tgt`."""
    files = [] if source.startswith("hub:") else find_files(resolved(source), context)
    if not files or files[0].suffix == ".parquet":
        return two_columns(load_table(source, context), source, context)
    return read_once(files, context)


def load_table(source: str, context: SourceContext) -> Dataset:
    """A source that is a table already, with all its columns: hub:NAME or FILE.parquet."""
    if source.startswith("hub:"):
        return load_hub(source, context)
    table = Dataset.from_parquet(str(find_files(resolved(source), context)[0]), cache_dir=str(context.cache_dir))
    assert isinstance(table, Dataset)
    return table


def find_files(source: str, context: SourceContext) -> list[Path]:
    """The one file of a source that is one, as .tsv, or the two of a prefix."""
    path = Path(source)
    if plain_suffix(path) in (".tsv", ".jsonl", ".parquet", *MEMORIES):
        if not path.is_file():
            raise UserError(f"{context.key}: there is no file {source}.")
        return [path]
    files = []
    for lang in (context.src_lang, context.tgt_lang):
        candidates = [Path(f"{source}.{lang}{compression}") for compression in ("", *COMPRESSIONS)]
        found = [candidate for candidate in candidates if candidate.is_file()]
        if not found:
            raise UserError(
                f"{context.key}: there is no file {candidates[0]} (nor {', '.join(COMPRESSIONS)} of it). "
                f"The prefix {source} stands for {source}.{context.src_lang} and {source}.{context.tgt_lang}."
            )
        files.append(found[0])
    return files


def plain_suffix(path: Path) -> str:
    """A file's suffix, that of a compression aside."""
    return path.with_suffix("").suffix if path.suffix in COMPRESSIONS else path.suffix


def read_once(files: list[Path], context: SourceContext) -> Dataset:
    """Read text files into an Arrow table, or find the one that an earlier run made of the same content."""
    langs = (context.src_lang, context.tgt_lang)
    try:
        table = Dataset.from_generator(
            read_rows,
            features=FEATURES,
            cache_dir=str(context.cache_dir),
            gen_kwargs={"files": tuple(map(str, files)), "langs": langs},  # a list would be taken as shards
            fingerprint=inspect(files, *langs)[0],
            split="train",
        )
    except datasets.exceptions.DatasetGenerationError as error:
        cause = error.__cause__
        raise (cause if isinstance(cause, (UserError, OSError)) else error) from None
    assert isinstance(table, Dataset)
    return table


def inspect(files: list[Path], *extra: str) -> tuple[str, int | None]:
    """A hash of the content of files, and the pairs in them; None where lines do not tell, as of what is compressed."""
    digest = hashlib.sha256(repr(extra).encode())
    n_lines = 0
    for file in files:
        digest.update(plain_suffix(file).encode())
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
                n_lines += block.count(b"\n") if file is files[0] else 0
    a_line_each = files[0].suffix not in (*COMPRESSIONS, *MEMORIES)
    return digest.hexdigest()[:32], n_lines if a_line_each else None


def read_rows(files: tuple[str, ...], langs: tuple[str, str]) -> Iterator[dict[str, str]]:
    """`read_pairs` as rows of a table."""
    for src, tgt in read_pairs(files, langs):
        yield {"src": src, "tgt": tgt}


def read_pairs(files: tuple[str, ...], langs: tuple[str, str]) -> Iterator[Pair]:
    """The pairs of one file, or of two text files."""
    paths = [Path(file) for file in files]
    if len(paths) == 2:
        pairs = read_two_files(*paths)
    elif plain_suffix(paths[0]) == ".tsv":
        pairs = read_tsv(paths[0])
    elif (suffix := plain_suffix(paths[0])) in MEMORIES:
        pairs = read_memory(paths[0], suffix, langs)
    else:
        pairs = read_jsonl(paths[0], langs)
    empty = True
    for pair in pairs:
        empty = False
        yield pair
    if empty:
        raise UserError(f"{' and '.join(files)}: there is no pair of sentences, it is empty.")


def read_lines(path: Path) -> Iterator[str]:
    """Lines of UTF-8 text, ends stripped; only a line feed ends a line."""
    try:
        with fsspec.open(str(path), "rb", compression="infer") as stream:
            yield from decode_lines(stream, str(path))
    except (EOFError, OSError) as error:  # a cut or damaged compressed file
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"{path} is damaged: {error}.") from error


def decode_lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """Lines of a binary stream as text.

    Raises:
        UserError: a line is not UTF-8; its number is named.
    """
    for number, line in enumerate(stream, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{name}, line {number}: not UTF-8 ({error.reason} at byte {error.start + 1}).") from None
        yield text.rstrip("\r\n")


def read_two_files(src_path: Path, tgt_path: Path) -> Iterator[Pair]:
    """Line n of the one file with line n of the other."""
    counts = [0, 0]
    for src, tgt in zip_longest(read_lines(src_path), read_lines(tgt_path)):
        counts[0] += src is not None
        counts[1] += tgt is not None
        if src is not None and tgt is not None:
            yield src, tgt
    if counts[0] != counts[1]:
        raise UserError(
            f"{src_path} has {counts[0]:,} lines but {tgt_path} has {counts[1]:,}: line n of one must be the "
            "translation of line n of the other."
        )


def read_tsv(path: Path) -> Iterator[Pair]:
    """Two columns, a tab between them, no quoting."""
    for number, line in enumerate(read_lines(path), start=1):
        columns = line.split("\t")
        if len(columns) != 2:
            raise UserError(f"{path}, line {number}: {len(columns)} columns; source, a tab and target are expected.")
        yield columns[0], columns[1]


def read_jsonl(path: Path, langs: tuple[str, str]) -> Iterator[Pair]:
    """One JSON object a line."""
    for number, line in enumerate(read_lines(path), start=1):
        try:
            row = json.loads(line)
            sides = row.get("translation", row)
            pair = (sides[langs[0]], sides[langs[1]])
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path}, line {number}: not a JSON object with the keys '{langs[0]}' and '{langs[1]}' ({error})."
            ) from None
        if not all(isinstance(side, str) for side in pair):
            raise UserError(f"{path}, line {number}: '{langs[0]}' and '{langs[1]}' must both be text.")
        yield pair


@dataclass(frozen=True)
class HubName:
    """The parts of `hub:NAME[@REVISION][:CONFIG[:SPLIT]]`."""

    name: str
    revision: str | None
    config: str | None
    split: str | None

    @classmethod
    def parse(cls, source: str) -> HubName:
        """Take a source apart; a split may have colons, as `train[:98%]`."""
        place, _, rest = source.removeprefix("hub:").partition(":")
        name, _, revision = place.partition("@")
        config, _, split = rest.partition(":")
        return cls(name, revision or None, config or None, split or None)

    @property
    def turned(self) -> str | None:
        """A configuration of two languages the other way round: data sets name a pair once, for both directions."""
        languages = (self.config or "").split("-")
        return "-".join(languages[::-1]) if len(languages) == 2 else None


def load_hub(source: str, context: SourceContext) -> Dataset:
    """The fitting split of a data set of the hub, or of a local folder of one."""
    hub = HubName.parse(source)

    def load(config: str | None) -> Any:
        split, cache_dir = hub.split or context.split, str(context.cache_dir)
        return datasets.load_dataset(hub.name, config, split=split, cache_dir=cache_dir, revision=hub.revision)

    try:
        try:
            table = load(hub.config)
        except ValueError as error:
            if hub.turned is None or f"'{hub.turned}'" not in str(error):
                raise
            table = load(hub.turned)
    except ValueError as error:  # no such configuration or split: the message lists those that there are
        raise UserError(f"{context.key}: {source}: {error}") from error
    except (OSError, datasets.exceptions.DatasetsError, RuntimeError) as error:
        raise UserError(
            f"{context.key}: {source} could not be loaded ({str(error).splitlines()[0]}). Is the name right, and is "
            "there a network? Without one, fetch it elsewhere, `hf download --repo-type dataset "
            f"{hub.name} --local-dir FOLDER`, and give {context.key}=hub:FOLDER; or give text files as "
            f"{context.key}=PREFIX."
        ) from error
    assert isinstance(table, Dataset)
    return table


def two_columns(table: Dataset, source: str, context: SourceContext) -> Dataset:
    """The language columns of a table, renamed to `src` and `tgt`."""
    langs = (context.src_lang, context.tgt_lang)
    if "translation" in table.column_names:
        table = table.flatten().rename_columns({f"translation.{lang}": lang for lang in langs})
    missing = [lang for lang in langs if lang not in table.column_names]
    if missing:
        raise UserError(
            f"{context.key}: {source} has no column {' and no '.join(missing)}; it has "
            f"{', '.join(table.column_names)}. data.src_lang and data.tgt_lang name the columns."
        )
    renamed: Any = table.select_columns(list(langs)).rename_columns({langs[0]: "src", langs[1]: "tgt"})
    return renamed.cast(FEATURES)
