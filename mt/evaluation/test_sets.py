"""Test sets: those of a configuration, and those that sacreBLEU knows by name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mt.config.data import DataConfig, source_list
from mt.data.sources import COMPRESSIONS, SourceContext, load_table, plain_suffix, read_lines, resolved
from mt.errors import UserError, suggest
from mt.evaluation.scoring import load_test_set, source_context

DOMAIN = "domain"
"""The column, or the ending of the file, with what kind of text each sentence is."""


@dataclass(frozen=True)
class TestSet:
    """Sentences with one reference translation or more."""

    name: str
    src: list[str]
    references: list[list[str]]
    """each a translation of all sentences"""
    domains: list[str] | None = None
    """of each sentence"""

    def __len__(self) -> int:
        return len(self.src)


def configured_test_sets(data: DataConfig, with_domains: bool) -> list[TestSet]:
    """The test sets of `data.test`.

    Raises:
        UserError: one cannot be read, or has no domains that are asked for.
    """
    tests = []
    for name, source in data.test.items():
        text = load_test_set(data, name, source)
        src, tgt = list(text["src"]), list(text["tgt"])
        domains = load_domains(data, name, source) if with_domains else None
        if domains is not None and len(domains) != len(src):
            raise UserError(f"data.test.{name}: {len(domains):,} domains for {len(src):,} sentences.")
        tests.append(TestSet(name, src, [tgt], domains))
    return tests


def load_domains(data: DataConfig, name: str, source: Any) -> list[str]:
    """The domain of each sentence: lines of PREFIX.domain, or the column `domain`."""
    key = f"data.test.{name}"
    context = source_context(data, f"test.{name}", "test")
    return [domain for part in source_list(key, source) for domain in read_domains(part, context)]


def read_domains(source: str, context: SourceContext) -> Iterable[str]:
    """Those of one source."""
    path = Path(resolved(source))
    if source.startswith("hub:") or path.suffix == ".parquet":
        table = load_table(source, context)
        if DOMAIN not in table.column_names:
            raise UserError(f"{context.key}: {source} has no column {DOMAIN}; it has {', '.join(table.column_names)}.")
        return map(str, table[DOMAIN])
    if plain_suffix(path) == ".jsonl":
        rows = [json.loads(line) for line in read_lines(path)]
        if not all(DOMAIN in row for row in rows):
            raise UserError(f"{context.key}: not every line of {source} has the key '{DOMAIN}'.")
        return [str(row[DOMAIN]) for row in rows]
    prefix = path.with_name(path.name.removesuffix(next((c for c in COMPRESSIONS if path.name.endswith(c)), "")))
    beside = Path(f"{prefix.with_suffix('') if prefix.suffix == '.tsv' else prefix}.{DOMAIN}")
    if not beside.is_file():
        raise UserError(
            f"{context.key}: --by domain needs {beside}, a word a line that says what kind of text each sentence is."
        )
    return read_lines(beside)


def named_test_sets(names: str, pair: str) -> list[TestSet]:
    """Test sets that sacreBLEU fetches, and keeps for later.

    Args:
        names: as its option -t takes them: `wmt14,wmt15`.
        pair: as its option -l: `en-de`.

    Raises:
        UserError: there are none of these names, or they cannot be fetched.
    """
    from sacrebleu.dataset import DATASETS

    tests = []
    for name in names.split(","):
        if name not in DATASETS:
            raise UserError(
                f"-t {name}: sacreBLEU has no such test set.{suggest(name, DATASETS)} See: sacrebleu --list."
            )
        dataset: Any = DATASETS[name]
        if pair not in dataset.langpairs:
            raise UserError(f"-l {pair}: {name} is for {', '.join(dataset.langpairs)}.")
        try:
            src = [line.rstrip("\n") for line in dataset.source(pair)]
            references = [[line.strip() for line in lines] for lines in zip(*dataset.references(pair), strict=True)]
            domains = fields_of(dataset, pair)
        except Exception as error:  # sacreBLEU raises many kinds: of the network, of archives, of checksums
            raise UserError(
                f"-t {name} -l {pair} could not be fetched ({str(error).splitlines()[0] if str(error) else error!r}). "
                f"Is there a network? Once fetched, it is kept in {dataset._outdir}."
            ) from error
        tests.append(TestSet(name.replace("/", "_"), src, references, domains))
    return tests


def fields_of(dataset: Any, pair: str) -> list[str] | None:
    """The domain of each sentence, where sacreBLEU knows it."""
    fields = dataset.fieldnames(pair)
    if DOMAIN not in fields:
        return None
    return list(read_lines(Path(dataset.get_files(pair)[fields.index(DOMAIN)])))
