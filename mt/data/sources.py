"""Parallel text from any source, read pair by pair.

A source is one of
    PREFIX                PREFIX.SRC and PREFIX.TGT, line by line (also .gz, .bz2, .xz)
    FILE.tsv, FILE        columns separated by tabs: source and target, or as `data.columns` or the first line names
                          them
    FILE.jsonl, .parquet  columns named by the languages, or one column `translation` with both
    FILE.tmx, .xlf        a translation memory, or a bilingual document
    hub:NAME[:CONFIG]     a data set of the Hugging Face hub, or a folder of one, with such columns; in full
                          hub:NAME[@REVISION][:CONFIG[:SPLIT]], such as hub:me/mine@v2:de-en:train[:98%]
    pkg://mt.demo/PREFIX  the demo corpus that comes with the program
Text is streamed, except for .tmx and .xlf, which are read whole.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from mt.config.corpora import HUB
from mt.data.context import SourceContext
from mt.data.readers import Pair, describe_columns, find_columns, is_table, read_pairs
from mt.data.translation_memory import SUFFIXES as MEMORIES
from mt.errors import UserError
from mt.runtime.files import COMPRESSIONS, plain_suffix, read_lines
from mt.runtime.packages import packaged

DEMO = "pkg://mt.demo/"


@dataclass(frozen=True)
class ParallelText:
    """Pairs of sentences that can be read again and again."""

    name: str
    fingerprint: str
    """hash of the content; of a dataset of the Hugging Face Hub, of its copy on this machine"""
    n_pairs: int | None
    """None if it is known only after reading"""
    read: Callable[[], Iterator[Pair]]


def open_text(sources: list[str], context: SourceContext) -> ParallelText:
    """Open all sources as one text, in order.

    Raises:
        UserError: a source is missing, malformed or empty; some faults show only when the text is read.
    """
    texts = [open_source(source, context) for source in sources]
    if len(texts) == 1:
        return texts[0]
    counts = [text.n_pairs for text in texts]
    digest = hashlib.sha256(" ".join(text.fingerprint for text in texts).encode()).hexdigest()[:32]
    n_pairs = None if None in counts else sum(count for count in counts if count)
    return ParallelText(", ".join(sources), digest, n_pairs, lambda: chain.from_iterable(text.read() for text in texts))


def open_source(source: str, context: SourceContext) -> ParallelText:
    """Open one source."""
    files = None if source.startswith(HUB) else find_files(source, context)
    if files is None or files[0].suffix == ".parquet":
        from mt.data.hub import language_columns, load_table, read_table  # the datasets library is slow to import

        table = language_columns(load_table(source, files, context), source, context)
        if len(table) == 0:
            raise UserError(f"{context.key}: {source} is empty: it contains no pair of sentences.")
        digest = table._fingerprint if files is None else inspect(files, *context.langs)[0]
        return ParallelText(source, digest, len(table), lambda: read_table(table))
    extra: list[str] = []
    if is_table(files):
        columns = find_columns(files[0], context)
        describe_columns(columns, files[0], context)
        extra = [repr(columns)] if columns.src or columns.tgt != 1 or columns.has_header else []
    digest, n_lines = inspect(files, *context.langs, *extra)
    return ParallelText(source, digest, n_lines, lambda: read_pairs(files, context))


def find_files(source: str, context: SourceContext) -> list[Path]:
    """Return the one file of a source such as a .tsv, or the two files of a prefix."""
    path = resolve(source)
    if plain_suffix(path) in (".tsv", ".jsonl", ".parquet", *MEMORIES):
        if not path.is_file():
            raise UserError(f"{context.key}: there is no file {path}.")
        return [path]
    if path.is_file() and "\t" in next(read_lines(path), ""):
        return [path]
    files = []
    for lang in context.langs:
        candidates = [Path(f"{path}.{lang}{compression}") for compression in ("", *COMPRESSIONS)]
        found = [candidate for candidate in candidates if candidate.is_file()]
        if not found:
            if plain_suffix(path) == ".csv":
                raise UserError(f"{context.key}: {path}: save the table with tabs between its columns, as a .tsv file.")
            if path.is_file():
                raise UserError(
                    f"{context.key}: {path} has no tab between source and target. For text in two files, give what "
                    f"their names have in common before .{context.src_lang} and .{context.tgt_lang}."
                )
            raise UserError(
                f"{context.key}: there is no file {candidates[0]}, compressed ({', '.join(COMPRESSIONS)}) or not. "
                f"The prefix {path} stands for {path}.{context.src_lang} and {path}.{context.tgt_lang}."
            )
        files.append(found[0])
    return files


def resolve(source: str) -> Path:
    """Return the path of a source; one of the demo lies beside this program, and nothing is imported to find it."""
    if not source.startswith("pkg://"):
        return Path(source)
    name = source.removeprefix(DEMO)
    if not source.startswith(DEMO) or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", name):
        raise UserError(f"{source}: only the demo corpus comes with the program: {DEMO}train.")
    return packaged("mt.demo", "data/demo") / name


def inspect(files: list[Path], *extra: str) -> tuple[str, int | None]:
    """Return a hash of files and `extra`, and the number of pairs if each line is one, else None."""
    digest = hashlib.sha256(repr(extra).encode())
    n_lines = 0
    for file in files:
        digest.update(plain_suffix(file).encode())
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
                n_lines += block.count(b"\n") if file is files[0] else 0
    one_pair_per_line = files[0].suffix not in (*COMPRESSIONS, *MEMORIES)
    return digest.hexdigest()[:32], n_lines if one_pair_per_line else None
