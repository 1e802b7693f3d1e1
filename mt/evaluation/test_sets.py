"""Test sets: of a configuration, or known to sacreBLEU by name."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mt.config.corpora import HUB, is_size, source_list
from mt.config.data import DataConfig
from mt.data.context import SourceContext, source_context
from mt.data.held_out import load_parts
from mt.data.preparation import load_test_set
from mt.data.readers import Pair
from mt.data.sources import resolve
from mt.errors import UserError, suggest
from mt.runtime.files import COMPRESSIONS, plain_suffix, read_lines

DOMAIN = "domain"
"""name of the column, or suffix of the file, with the domain of each sentence"""


@dataclass(frozen=True)
class TestSet:
    """Sentences with one or more reference translations."""

    name: str
    src: list[str]
    references: list[list[str]]
    """each a translation of all sentences"""
    domains: list[str] | None = None
    """domain of each sentence"""

    def __len__(self) -> int:
        return len(self.src)


def configured_test_sets(data: DataConfig, with_domains: bool, held_out: Path) -> list[TestSet]:
    """Load the test sets of `data.test`; those held out of the training text are in the folder `held_out`."""
    sizes = {part: size for part, size in data.held_out.items() if part != "valid"}
    parts = load_parts(sizes, held_out, (data.src_lang, data.tgt_lang))
    if parts is None:
        raise UserError(f"{held_out} does not hold {', '.join(sizes)} for {data.src_lang} to {data.tgt_lang}.")
    tests = []
    for name, source in data.test.items():
        test = to_test_set(name, parts.get(f"test.{name}") or load_test_set(data, name))
        if with_domains:
            if is_size(source):
                raise UserError(f"data.test.{name} is held out of data.train: its domains are not known.")
            domains = load_domains(data, name, source)
            if len(domains) != len(test):
                raise UserError(f"data.test.{name}: {len(domains):,} domains for {len(test):,} sentences.")
            test = replace(test, domains=domains)
        tests.append(test)
    return tests


def to_test_set(name: str, pairs: Sequence[Pair]) -> TestSet:
    """Return pairs of sentences as a test set with one reference."""
    return TestSet(name, [src for src, _ in pairs], [[tgt for _, tgt in pairs]])


def load_domains(data: DataConfig, name: str, source: Any) -> list[str]:
    """Load the domain of each sentence: lines of PREFIX.domain, or the column `domain`."""
    key = f"data.test.{name}"
    context = source_context(data, f"test.{name}", "test")
    return [domain for part in source_list(key, source) for domain in read_domains(part, context)]


def read_domains(source: str, context: SourceContext) -> Iterable[str]:
    """Read the domains of one source."""
    path = resolve(source)
    if source.startswith(HUB) or path.suffix == ".parquet":
        from mt.data.hub import load_table  # the datasets library is slow to import

        table = load_table(source, None if source.startswith(HUB) else [path], context)
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
        raise UserError(f"{context.key}: --by domain needs {beside} with the domain of each sentence, one per line.")
    return read_lines(beside)


def named_test_sets(names: str, pair: str) -> list[TestSet]:
    """Load test sets that sacreBLEU downloads and caches, such as `wmt14,wmt15` for `en-de`."""
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
            rows = list(dataset.references(pair))
            domains = known_domains(dataset, pair)
        except Exception as error:  # network, archive or checksum: sacreBLEU raises many kinds
            reason = str(error).splitlines()[0] if str(error) else repr(error)
            raise UserError(
                f"-t {name} -l {pair} could not be downloaded ({reason}). "
                f"Check the network. Downloaded test sets are kept in {dataset._outdir}."
            ) from error
        if len({len(row) for row in rows}) > 1:
            raise UserError(f"-t {name} -l {pair}: some of its sentences have more references than others.")
        references = [[line.strip() for line in lines] for lines in zip(*rows, strict=True)]
        tests.append(TestSet(name.replace("/", "_"), src, references, domains))
    return tests


def known_domains(dataset: Any, pair: str) -> list[str] | None:
    """Return the domain of each sentence if sacreBLEU knows it."""
    fields = dataset.fieldnames(pair)
    if DOMAIN not in fields:
        return None
    return list(read_lines(Path(dataset.get_files(pair)[fields.index(DOMAIN)])))
