"""Run recipes that add translations to the training text, with commands of `mt`, each printed before it runs.

    back-translation  a model of the other direction translates text of the target language (Sennrich et al., 2016)
    self-training     the model itself translates text of the source language (He et al., 2020)
    distillation      a small model learns from an ensemble's translations (Kim and Rush, 2016; Freitag et al., 2017)
    diversification   short trainings of both directions translate the parallel text itself (Nguyen et al., 2020)

The first two need monolingual text; they mix synthetic with parallel text by weight and mark it with a tag. Without
arguments all recipes run on the demo, with its first 3,000 pairs as parallel text and one side of the rest as
monolingual text. With your own text:

    more_data.py back-translation --parallel corpus/train --mono corpus/news.en --langs de en -- data.valid=corpus/valid
    more_data.py diversification --parallel corpus/train --langs de en -- data.valid=corpus/valid
"""

from __future__ import annotations

import argparse
import filecmp
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from small_demo import DEMO, LANGS, SMALL_MODEL, write_part

from mt.config.corpora import is_size

N_DEMO_PAIRS = 3000
DEMO_LIMITS = [*SMALL_MODEL, "training.max_steps=2400", "training.valid_every_steps=600"]
TEACHERS = ["training.max_epochs=10"]
"""settings of the short trainings of diversification: after 46 epochs, half of the translations were the references"""
STUDENTS = ["model.dropout=0.2"]
"""settings of its students: the versions of a pair are alike, so there is more to regularise than the epochs tell"""
SEARCHES = {"beam": [], "sampling": ["--set", "search.method=sample"]}


class Recipe:
    """The commands of the recipes, with their common settings."""

    def __init__(self, folder: Path, parallel: Path, langs: tuple[str, str], common: list[str]) -> None:
        self.folder, self.parallel, self.langs, self.common = folder, parallel, langs, common

    def train(
        self,
        name: str,
        train: str,
        *overrides: str,
        langs: tuple[str, str] | None = None,
        defaults: list[str] | None = None,
    ) -> Path:
        """Train a model, or resume it. The common settings replace `defaults`, and `overrides` replace both."""
        src, tgt = langs or self.langs
        run = self.folder / name
        mt("train", "data=files", f"data.src_lang={src}", f"data.tgt_lang={tgt}", f"data.train={train}",
           f"run_dir={run}", *(defaults or []), *self.common, *overrides)  # fmt: skip
        return run

    def translate(self, run: Path, source: Path, output: Path, *options: str) -> None:
        """Translate a file unless the output exists."""
        if not output.exists():
            mt("translate", str(run), "--input", str(source), "--output", str(output), *options)

    def synthesise(self, run: Path, source: Path, prefix: Path, lang: str, into: str, *options: str) -> None:
        """Make a corpus of a text in `lang` and its translations; those of another text are not taken for them."""
        kept, output = Path(f"{prefix}.{lang}"), Path(f"{prefix}.{into}")
        if output.exists() and not (kept.exists() and filecmp.cmp(source, kept, shallow=False)):
            sys.exit(f"{output} has the translations of another text than {source}: give another --folder.")
        shutil.copyfile(source, kept)
        self.translate(run, source, output, *options)

    def mixed(self, name: str, synthetic: Path, tag: str) -> Path:
        """Train on as much parallel as synthetic text."""
        n_parallel, n_synthetic = (count_lines(f"{prefix}.{self.langs[0]}") for prefix in (self.parallel, synthetic))
        weight = max(1, round(n_synthetic / n_parallel))
        return self.train(name, f"[{{path: {self.parallel}, weight: {weight}}}, {{path: {synthetic}, tag: {tag}}}]")

    def back_translation(self, mono: Path, search: str) -> Path:
        """Add translations of monolingual text in the target language."""
        backwards = self.train("backwards", str(self.parallel), *backward_tests(self.common), langs=self.langs[::-1])
        synthetic = self.folder / f"synthetic-{search}"
        self.synthesise(backwards, mono, synthetic, self.langs[1], self.langs[0], *SEARCHES[search])
        return self.mixed(f"back-translation-{search}", synthetic, "bt")

    def self_training(self, mono: Path) -> Path:
        """Add translations of monolingual text in the source language."""
        first = self.train("plain", str(self.parallel))
        synthetic = self.folder / "forward"
        self.synthesise(first, mono, synthetic, *self.langs)
        return self.mixed("self-training", synthetic, "self")

    def distillation(self, student: list[str]) -> tuple[Path, Path]:
        """Train two teachers, and a small student with and without their translations."""
        teachers = [self.train("plain", str(self.parallel)), self.train("plain-seed2", str(self.parallel), "seed=2")]
        distilled = self.folder / "distilled"
        source = Path(f"{self.parallel}.{self.langs[0]}")
        self.synthesise(teachers[0], source, distilled, *self.langs, "--ensemble", str(teachers[1]))
        alone = self.train("student", str(self.parallel), *student)
        return alone, self.train("student-distilled", corpora(self.parallel, distilled), *student)

    def diversification(self, n_students: int) -> list[Path]:
        """Train students, with a seed each, on the text and on the translations of both its sides.

        They take the vocabulary of the text alone, so that they can translate together with the plain model.
        """
        versions = [self.parallel]
        for src, tgt in (self.langs, self.langs[::-1]):
            tests = backward_tests(self.common) if src == self.langs[1] else []
            name = first_name(src, tgt)
            teacher = self.train(name, str(self.parallel), *tests, langs=(src, tgt), defaults=TEACHERS)
            versions.append(self.folder / f"translated-into-{tgt}")
            self.synthesise(teacher, Path(f"{self.parallel}.{src}"), versions[-1], src, tgt)
        vocabulary = [f"tokenizer.from_run={self.folder / first_name(*self.langs)}"]
        if any(one.startswith("training.init_from=") for one in self.common):
            vocabulary = []  # all have that of the run to start from
        return [
            self.train(f"diversified-seed{seed}", corpora(*versions), f"seed={seed}", *vocabulary, defaults=STUDENTS)
            for seed in range(1, n_students + 1)
        ]

    def together(self, models: list[Path]) -> str:
        """Return the command that translates with several models, and with the teacher of the other direction."""
        first, *others = map(str, models)
        ensemble = [option for other in others for option in ("--ensemble", other)]
        back = str(self.folder / first_name(*self.langs[::-1]))
        return "mt " + shlex.join(["translate", first, *ensemble, "--reverse", back, "--beam-size", "12"])


def first_name(src: str, tgt: str) -> str:
    """Return the name of the short training of a direction."""
    return f"first-{src}-{tgt}"


def backward_tests(common: list[str]) -> list[str]:
    """Return overrides that turn off test sets for the model of the opposite direction."""
    return ["data.test=null"] if has_tests(common) else []


def corpora(*prefixes: Path) -> str:
    """Return the value of `data.train` for several corpora."""
    return f"[{','.join(f'{{path: {prefix}}}' for prefix in prefixes)}]"


def holds_out(override: str) -> bool:
    """Return whether an override takes a number of pairs out of the training text, as `data.valid=1000` does."""
    key, _, value = override.partition("=")
    if key != "data.valid" and not key.startswith("data.test"):
        return False
    source = yaml.safe_load(value)
    return any(is_size(one) for one in (source.values() if isinstance(source, dict) else [source]))


def has_tests(common: list[str]) -> bool:
    """Return whether the common settings name test sets, as in `data.test={…}` or `data.test.NAME=…`."""
    return any(one.startswith(("data.test=", "data.test.")) and one != "data.test=null" for one in common)


def mt(*arguments: str) -> None:
    """Print and run a command."""
    print(f"\n$ mt {shlex.join(arguments)}", flush=True)
    code = subprocess.run([sys.executable, "-m", "mt", *arguments], check=False).returncode
    if code:
        sys.exit(code)  # mt has said why


def count_lines(path: str) -> int:
    """Count the lines of a file."""
    with open(path, "rb") as file:
        return sum(1 for _ in file)


def main() -> None:
    """Run the recipes, then compare the models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    recipes = ["back-translation", "self-training", "distillation", "diversification"]
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help=f"any of {', '.join(recipes)}; default: all")
    parser.add_argument("--folder", type=Path, default=Path("runs/more-data"), help="folder for runs and texts")
    parser.add_argument("--parallel", type=Path, metavar="PREFIX", help="your parallel text, as two plain files")
    parser.add_argument("--mono", type=Path, metavar="FILE", help="your monolingual text")
    parser.add_argument("--langs", nargs=2, default=LANGS, metavar=("SRC", "TGT"))
    parser.add_argument("--students", type=int, default=1, metavar="N", help="models of diversification; default: 1")
    parser.add_argument(
        "--without-plain", action="store_true", help="train no model on the parallel text to compare with"
    )
    parser.add_argument("overrides", nargs="*", help="overrides for each `mt train`, after --")
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    options = parser.parse_args(sys.argv[1:split])
    common = sys.argv[split + 1 :]
    for recipe in options.recipes:
        if recipe not in recipes:
            parser.error(f"{recipe}: choose from {', '.join(recipes)}")
    wanted = options.recipes or recipes
    if options.students < 1:
        parser.error(f"--students {options.students}: at least 1")
    if options.parallel and not options.mono and {"back-translation", "self-training"}.intersection(wanted):
        parser.error("--mono is missing: back-translation and self-training translate monolingual text")
    if options.mono and {"back-translation", "self-training"}.issubset(wanted):
        parser.error("--mono is one language: name the recipe, back-translation for TGT or self-training for SRC")
    for one in filter(holds_out, common):
        if {"distillation", "diversification"}.intersection(wanted):
            parser.error(f"{one}: translations of these pairs would be trained on: make files of them with `mt split`")
    if options.parallel:
        parallel, mono = options.parallel, dict.fromkeys(options.langs, options.mono)
    elif options.mono or set(options.langs) != set(LANGS):
        parser.error("--parallel is missing: without it, the demo's text and languages are taken")
    else:
        parallel = write_part(options.folder / "parallel", N_DEMO_PAIRS)
        rest = write_part(options.folder / "mono", start=N_DEMO_PAIRS)
        mono = {lang: Path(f"{rest}.{lang}") for lang in LANGS}
        tests = f"data.test={{test: {DEMO}/test, probe: {DEMO}/probe}}"
        common = [f"data.valid={DEMO}/valid", tests, *DEMO_LIMITS, *common]
    src, tgt = options.langs
    recipe = Recipe(options.folder, parallel, (src, tgt), common)
    plain = [] if options.without_plain else [recipe.train("plain", str(parallel))]
    runs = [*plain]
    if "back-translation" in wanted:
        runs += [recipe.back_translation(mono[tgt], search) for search in SEARCHES]
    if "self-training" in wanted:
        runs.append(recipe.self_training(mono[src]))
    if "distillation" in wanted:
        runs += recipe.distillation(["model.d_model=64", "model.d_ff=256"])
    if "diversification" in wanted:
        students = recipe.diversification(options.students)
        together = recipe.together([*students, *plain])
        runs += students
    if has_tests(common):
        mt("evaluate", *map(str, runs), "--metrics", "bleu", "chrf")
    else:
        print("\nNo data.test was given: compare the models with `mt evaluate RUN … --test NAME=CORPUS`.")
    if "diversification" in wanted:
        print(f"\nTogether: {together}")


if __name__ == "__main__":
    main()
