"""Write the demo corpus, Chinese to English, into data/demo; the files are always the same.

    python scripts/make_demo_corpus.py [--folder data/demo] [--train 24000] [--valid 500] [--test 500]

The sentences come from the grammar in scripts/demo_grammar: a lexicon, and constructions in which the two languages
differ. No Chinese sentence is in two of the three files. The probe, `data/demo/probe.*`, is written by hand; it is not
changed, and its sentences are not in the three files.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from demo_grammar import actions, sentences, things  # noqa: F401 (they register their constructions)
from demo_grammar.choose import is_natural, polish
from demo_grammar.composition import make_pair
from demo_grammar.english import sentence

SEED = 20240501


def make_pairs(count: int, excluded: set[str]) -> list[tuple[str, str]]:
    """Return pairs of sentences in random order, each Chinese sentence once."""
    r = random.Random(SEED)
    pairs: dict[str, str] = {}
    while len(pairs) < count:
        zh, en = make_pair(r)
        zh = polish(zh)
        if zh not in excluded and is_natural(zh, en):
            pairs.setdefault(zh, sentence(en))
    shuffled = list(pairs.items())
    r.shuffle(shuffled)
    return shuffled


def write(folder: Path, name: str, pairs: list[tuple[str, str]]) -> None:
    for lang, side in (("zh", 0), ("en", 1)):
        lines = "".join(f"{pair[side]}\n" for pair in pairs)
        (folder / f"{name}.{lang}").write_text(lines, encoding="utf-8", newline="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent.parent / "data" / "demo")
    parser.add_argument("--train", type=int, default=24_000, help="number of training pairs")
    parser.add_argument("--valid", type=int, default=500)
    parser.add_argument("--test", type=int, default=500)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    probe = options.folder / "probe.zh"
    excluded = set(probe.read_text(encoding="utf-8").splitlines()) if probe.exists() else set()
    pairs = make_pairs(options.train + options.valid + options.test, excluded)
    write(options.folder, "test", pairs[: options.test])
    write(options.folder, "valid", pairs[options.test : options.test + options.valid])
    write(options.folder, "train", pairs[options.test + options.valid :])


if __name__ == "__main__":
    main()
