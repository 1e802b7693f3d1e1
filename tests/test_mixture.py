"""Several corpora in one training: weights, stages, tags, several languages."""

import json
import re
import shutil
from collections import Counter
from math import exp
from types import SimpleNamespace

import ctranslate2
import httpx
import numpy as np
import pytest
import torch
from conftest import SMALL, overrides, toy_pairs, write_pairs
from safetensors.torch import load_file
from server import serving

from mt import SearchConfig, Translator
from mt.config.choices import EngineName
from mt.config.corpora import Stage
from mt.data.loader import BatchLoader
from mt.data.mixture import Member, Mixture, weights_by_temperature
from mt.errors import UserError
from mt.text.tags import NO_TAGS, Tags


class FakeCorpus(SimpleNamespace):
    """Pairs of equal length, each of which contains its own number."""

    def __init__(self, size: int, first: int) -> None:
        super().__init__(src_lens=np.full(size, 3, np.int32), tgt_lens=np.full(size, 3, np.int32), first=first)

    def __len__(self) -> int:
        return len(self.src_lens)

    def pairs(self, indices):
        return [([self.first + i, 7], [8, 9]) for i in indices.tolist()]


def mixture_of(sizes, stages, tags=NO_TAGS):
    members = [Member(f"c{i}", FakeCorpus(size, 1000 * i), tags) for i, size in enumerate(sizes)]
    return Mixture(members, stages)


def test_weights_determine_how_often_a_pair_is_used():
    mixture = mixture_of([10, 7, 5, 4], [Stage([1, 2.5, 0.4, 0])])
    both = Counter()
    for epoch in range(2):
        counts = Counter(mixture.draw(1, epoch, 0).tolist())
        assert [counts[i] for i in range(10)] == [1] * 10
        assert {counts[i] for i in range(10, 17)} == {2, 3}
        assert sum(counts[i] for i in range(17, 22)) == 2
        assert all(counts[i] == 0 for i in range(22, 26))
        both += counts
    assert [both[i] for i in range(10, 17)] == [5] * 7
    assert max(both[i] for i in range(17, 22)) == 1  # no pair is used twice before all were used once
    assert not np.array_equal(mixture.draw(1, 0, 0), mixture.draw(2, 0, 0))


def test_temperature_as_in_the_paper():
    sizes = [1000, 10]
    plain = weights_by_temperature(sizes, 1.0, [1, 1])
    assert plain == pytest.approx([1, 1])
    assert weights_by_temperature([10, 10**6], 0.01, [1, 1]) == pytest.approx([0, 1], abs=1e-4)  # no overflow
    flat = weights_by_temperature(sizes, 5.0, [1, 1])
    shares = [size * weight / 1010 for size, weight in zip(sizes, flat, strict=True)]
    expected = [1000**0.2 / (1000**0.2 + 10**0.2), 10**0.2 / (1000**0.2 + 10**0.2)]
    assert shares == pytest.approx(expected)


def test_pairs_have_the_tags_of_their_corpus():
    mixture = mixture_of([10, 7], [Stage([1, 1])], tags=Tags([4, 5], [6]))
    assert mixture.pairs(np.array([3, 10, 16, 0])) == [([4, 5, n, 7], [6, 8, 9]) for n in (3, 1000, 1006, 0)]
    assert (set(mixture.src_lens), set(mixture.tgt_lens)) == ({5}, {4})


def numbers(loader: BatchLoader, steps: range) -> list[list[int]]:
    found = []
    for step in steps:
        loader.begin_step(step)
        found.append([row[0] for row in loader.next_batch().src.tolist()])
    return found


def test_stages_end_at_their_steps_and_resume():
    mixture = mixture_of([40, 40], [Stage([1, 0], 5), Stage([0, 1], 9), Stage([1, 1])])
    loader = BatchLoader(mixture, 16, seed=3)
    batches = numbers(loader, range(30))
    assert all(n < 1000 for batch in batches[:5] for n in batch)
    assert all(n >= 1000 for batch in batches[5:9] for n in batch)
    assert {n >= 1000 for batch in batches[9:] for n in batch} == {True, False}
    for stop in (3, 5, 7, 9, 20):
        first, resumed = BatchLoader(mixture, 16, seed=3), BatchLoader(mixture, 16, seed=3)
        numbers(first, range(stop))
        resumed.position = first.position
        assert numbers(resumed, range(stop, 30)) == batches[stop:]


def test_stages_end_with_their_epochs_and_resume():
    mixture = mixture_of([40, 40], [Stage([1, 0], until_epoch=2), Stage([0, 1], until_epoch=3), Stage([1, 1])])
    loader = BatchLoader(mixture, 16, seed=3)
    batches, epochs = [], []
    for step in range(40):
        batches += numbers(loader, range(step, step + 1))
        epochs.append(loader.position.epoch)
    seen = {
        epoch: sorted(n for batch, e in zip(batches, epochs, strict=True) if e == epoch for n in batch)
        for epoch in range(4)
    }
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(40))
    assert sorted(seen[2]) == list(range(1000, 1040))
    assert sorted(seen[3]) == [*range(40), *range(1000, 1040)]
    for stop in (3, 9, 10, 11, 19, 20, 25, 30):
        first, resumed = BatchLoader(mixture, 16, seed=3), BatchLoader(mixture, 16, seed=3)
        numbers(first, range(stop))
        resumed.position = first.position
        assert numbers(resumed, range(stop, 40)) == batches[stop:]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    write_pairs(folder / "a", toy_pairs(500, 1))
    write_pairs(folder / "b", [(src, " ".join(f"{word}!" for word in tgt.split())) for src, tgt in toy_pairs(300, 2)])
    write_pairs(folder / "valid", toy_pairs(20, 3))
    return folder


def of_several(corpora, *extra):
    """With a data.train among `extra`."""
    return [*(a for a in overrides(corpora) if not a.startswith(("data.train", "data.test"))), *extra]


LEARN = [  # until it is learnt completely, on any processor
    "training.max_steps=800", "training.valid_every_steps=400", "optim.lr=0.005", "optim.warmup_steps=50",
    "optim.schedule=cosine", "model.d_model=64", "model.d_ff=128", "model.dropout=0",
]  # fmt: skip


def test_automatic_settings_are_for_the_weighted_text(corpora, tmp_path, mt):
    """An epoch has 30 pairs of 500 and 30 of 300, so that two of them are few steps, of which few are a warm-up."""
    train = f"data.train=[{{path: {corpora}/a, weight: 0.06}}, {{path: {corpora}/b, weight: 0.1}}]"
    automatic = ["training.max_epochs=2", "optim.warmup_steps=null", "training.max_tokens=96", "data.max_len=60"]
    outcome = mt(*of_several(corpora, f"run_dir={tmp_path}/run", train, *automatic))
    assert outcome.code == 0, outcome.err
    planned = int(re.search(r"([\d,]+) steps, .* in all", outcome.err)[1])
    taken = int(re.findall(r"step (\d+)", outcome.err)[-1])
    assert planned == pytest.approx(taken, rel=0.3)


@pytest.mark.slow
def test_a_tag_chooses_the_kind_of_text(corpora, tmp_path, mt):
    train = f"data.train=[{{path: {corpora}/a, tag: plain}}, {{path: {corpora}/b, weight: 1.5, tag: loud}}]"
    outcome = mt(*of_several(corpora, f"run_dir={tmp_path}/run", train, *LEARN))
    assert outcome.code == 0, outcome.err
    assert "2 corpora:" in outcome.err
    assert "52.6% of an epoch (weight 1)" in outcome.err
    sources = [source for source, _ in toy_pairs(20, 8)]
    plain = mt("translate", tmp_path / "run", "--tag", "plain", *sources).out
    loud = mt("translate", tmp_path / "run", "--tag", "loud", *sources).out
    assert plain.count("!") < 0.1 * loud.count("!")
    assert loud.count("!") > 0.9 * len(" ".join(sources).split())
    unknown = mt("translate", tmp_path / "run", "--tag", "quiet", "ba")
    assert unknown.code == 2
    assert "no tag <quiet>; it has: <plain>, <loud>" in unknown.err
    scored = tmp_path / "scored"
    scored.with_suffix(".aa").write_text("".join(f"{source}\n" for source in sources))
    scored.with_suffix(".bb").write_text(plain)
    score = {}
    for tag in ("plain", "loud"):
        rows = mt("score", tmp_path / "run", "--tag", tag, f"{scored}.aa", f"{scored}.bb").out.splitlines()
        score[tag] = sum(float(row.split()[1]) for row in rows)
    assert score["plain"] > score["loud"]
    translation, links = mt("translate", tmp_path / "run", "--tag", "plain", "--align", "ba de").out.split("|||")
    assert len(links.split()) == len(translation.split())


@pytest.mark.slow
def test_a_language_tag_chooses_the_language(corpora, tmp_path, mt):
    train = f"data.train=[{{path: {corpora}/a}}, {{path: {corpora}/a, src_lang: bb, tgt_lang: aa}}]"
    outcome = mt(*of_several(corpora, f"run_dir={tmp_path}/run", train, "data.language_tags=true", *LEARN))
    assert outcome.code == 0, outcome.err
    forth = mt("translate", tmp_path / "run", "ba de fi").out
    assert forth == forth.upper()
    assert mt("translate", tmp_path / "run", "--to", "bb", "ba de fi").out == forth
    back = mt("translate", tmp_path / "run", "--to", "aa", "--set", "search.simplify=false", "BA DE FI").out
    assert back == back.lower()
    assert "no tag <2cc>; it has: <2bb>, <2aa>" in mt("translate", tmp_path / "run", "--to", "cc", "ba").err


@pytest.fixture(scope="module")
def both_ways(corpora, tmp_path_factory):
    """A model between two languages, each side of which begins with the tag of its language."""
    from mt import cli

    run = tmp_path_factory.mktemp("both") / "run"
    train = f"data.train=[{{path: {corpora}/a}}, {{path: {corpora}/a, src_lang: bb, tgt_lang: aa}}]"
    tags = ["data.language_tags=true", "data.tag_each_side=true"]
    assert cli.run(of_several(corpora, f"run_dir={run}", train, *tags, *LEARN)) == 0
    return run


@pytest.mark.slow
def test_each_side_has_the_tag_of_its_language(both_ways, mt):
    back = ["--from", "bb", "--to", "aa"]
    forth = mt("translate", both_ways, "ba de fi").out
    assert forth == forth.upper()
    assert mt("translate", both_ways, *back, forth.strip(), "--set", "search.simplify=false").out == "ba de fi\n"
    assert "no tag <2cc>; it has: <2aa>, <2bb>" in mt("translate", both_ways, "--from", "cc", "ba").err
    translator = Translator.load(both_ways)
    with pytest.raises(UserError):
        translator.set_direction("bb", "cc")
    assert (translator.langs, translator.translate(["ba de fi"])) == (("aa", "bb"), ["BA DE FI"])  # as before
    align = json.loads(mt("translate", both_ways, "--json", "--align", "ba de fi").out)
    assert len(align["alignment"]) == 3
    explained = mt("explain", both_ways, "ba de")
    assert explained.code == 0, explained.err
    assert "<2aa>" in explained.out


@pytest.mark.slow
def test_what_the_card_says_of_the_direction(both_ways, corpora, mt, tmp_path):
    card = mt("card", both_ways, "--from", "bb", "--to", "aa", "--output", tmp_path / "card.md")
    assert card.code == 0, card.err
    text = (tmp_path / "card.md").read_text()
    assert "bb to aa;" in text
    assert "mt translate . --from bb --to aa 'a sentence'" in text
    assert "`<2aa>`, `<2bb>`" in text
    assert "huggingface" not in text  # which has no such model


@pytest.mark.slow
def test_models_with_other_tags_do_not_translate_together(both_ways, mt, tmp_path):
    shutil.copytree(both_ways, tmp_path / "other")
    config = tmp_path / "other" / "config.yaml"
    config.write_text(config.read_text().replace("tag_each_side: true", "tag_each_side: false"))
    outcome = mt("translate", both_ways, "--ensemble", tmp_path / "other", "ba")
    assert outcome.code == 2
    assert "differ in data.language_tags or data.tag_each_side" in outcome.err


@pytest.mark.slow
def test_a_server_translates_both_ways(both_ways):
    with serving(both_ways, "--set", "search.simplify=false") as (address, _):
        languages = {one["code"]: one["targets"] for one in httpx.get(f"{address}/languages").json()}
        assert languages == {"aa": ["bb"], "bb": ["aa"]}
        for source, target, text in (("aa", "bb", "ba de"), ("bb", "aa", "BA DE"), ("aa", "bb", "fi")):
            asked = {"q": text, "source": source, "target": target}
            assert httpx.post(f"{address}/translate", json=asked).json()["translatedText"] == text.swapcase()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 4])
def test_the_decoder_starts_with_bos_and_the_tag(both_ways, mt, width):
    """Both engines find what the model's own probabilities, computed position by position, say."""
    sources = [source for source, _ in toy_pairs(30, 8)]
    search = SearchConfig(beam_size=width, n_best=width, patience=1.0, simplify=False)
    own, other = (
        Translator.load(both_ways, engine=engine).n_best(sources, search)
        for engine in (EngineName.torch, EngineName.ctranslate2)
    )
    assert [best[0].text for best in own] == [best[0].text for best in other]
    for found, theirs in zip(own, other, strict=True):
        # One search may find what the other does not: only ours counts an empty hypothesis among those that ended.
        scores, expected = ({tuple(one.parts[0][1]): one.score for one in side} for side in (found, theirs))
        shared = scores.keys() & expected.keys()
        assert tuple(found[0].parts[0][1]) in shared
        assert [scores[one] for one in shared] == pytest.approx([expected[one] for one in shared], abs=1e-3)
    translator = Translator.load(both_ways, engine=EngineName.torch)
    tokenizer, tags = translator.tokenizer, translator.tokenizer.tags
    for best in own:
        ((source, target),) = best[0].parts
        src = torch.tensor([[tags["<2aa>"], *source, tokenizer.eos_id]])
        tgt = torch.tensor([[tokenizer.bos_id, tags["<2bb>"], *target]])
        with torch.no_grad():
            log_probs = translator.model(src, torch.ones_like(src, dtype=torch.bool), tgt)[0, 1:].log_softmax(-1)
        expected = log_probs.gather(1, torch.tensor([*target, tokenizer.eos_id]).unsqueeze(1)).sum()
        assert best[0].log_prob == pytest.approx(float(expected), abs=1e-3)


@pytest.mark.slow
def test_ctranslate2_is_told_where_the_tags_belong(both_ways, mt, tmp_path):
    exported = mt("export", both_ways, "--to", "ctranslate2", tmp_path / "ct")
    assert "before the pieces of each source, such as <2aa>" in exported.out
    assert "such as <2bb>, as target_prefix" in exported.out
    sources = [source for source, _ in toy_pairs(10, 8)]
    translator = Translator.load(both_ways, engine=EngineName.torch)
    own = translator.n_best(sources, SearchConfig(beam_size=1, simplify=False))
    rows = [["<2aa>", *translator.tokenizer.src.encode(line, out_type=str)] for line in sources]
    engine = ctranslate2.Translator(str(tmp_path / "ct"), "cpu", intra_threads=1)
    found = engine.translate_batch(rows, target_prefix=[["<2bb>"]] * len(rows), beam_size=1)
    texts = [translator.tokenizer.tgt.decode(result.hypotheses[0][1:]) for result in found]
    assert texts == [best[0].text for best in own]
    refused = mt("export", both_ways, "--to", "huggingface", tmp_path / "hf")
    assert refused.code == 2
    assert "tags before both sides" in refused.err


@pytest.mark.slow
def test_tags_before_the_target_are_not_scored(both_ways, mt, tmp_path):
    (translated,) = json.loads(mt("translate", both_ways, "--json", "ba de fi").out)["translations"]
    (tmp_path / "a.aa").write_text("ba de fi\n")
    (tmp_path / "a.bb").write_text(f"{translated['text']}\n")
    scored = json.loads(mt("score", both_ways, "--json", tmp_path / "a.aa", tmp_path / "a.bb").out)
    assert scored["pieces"] == translated["pieces"]
    assert scored["log_prob"] == pytest.approx(translated["log_prob"], abs=1e-3)
    evaluated = mt("evaluate", both_ways, "--test", f"a={tmp_path}/a", "--metrics", "perplexity")
    assert evaluated.code == 0, evaluated.err
    perplexity = exp(-scored["log_prob"] / len(scored["log_probs"]))
    assert f"a  perplexity {perplexity:.2f}" in evaluated.out


def test_a_mixture_resumes_exactly(corpora, tmp_path, mt):
    train = f"data.train=[{{path: {corpora}/a}}, {{path: {corpora}/b, weight: 2}}]"
    common = [train, "data.stages=[{until_step: 6, weights: [1, 0]}]", "training.valid_every_steps=4"]
    whole = mt(*of_several(corpora, f"run_dir={tmp_path}/whole", *common, "training.max_steps=12"))
    assert whole.code == 0, whole.err
    assert "100.0% of an epoch (weight 1), then 45.5% of an epoch (weight 1)" in whole.err
    for steps in (5, 9, 12):
        assert mt(*of_several(corpora, f"run_dir={tmp_path}/parts", *common, f"training.max_steps={steps}")).code == 0
    newest = [
        load_file(next((tmp_path / name / "checkpoints").glob("*12")) / "model.safetensors")
        for name in ("whole", "parts")
    ]
    assert all(newest[0][name].equal(newest[1][name]) for name in newest[0])


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("[{path: X, wieght: 2}]", "data.train[0] has no key 'wieght'. Did you mean 'weight'?"),
        ("[{weight: 2}]", "needs a path"),
        ("[{path: X, weight: 0}]", "data.train: every weight is 0"),
        ("[{path: X, weight: -1}]", "data.train[0].weight=-1 must be a number, 0 or above"),
        ("[{path: X, tag: 'two words'}]", "must be a plain word"),
        ("[{path: [1]}]", "data.train[0].path=[1] must be a corpus"),
    ],
)
def test_malformed_entries_are_refused(corpora, mt, tmp_path, train, message):
    outcome = mt(*of_several(corpora, f"run_dir={tmp_path}/run", f"data.train={train.replace('X', f'{corpora}/a')}"))
    assert outcome.code == 2
    assert message in outcome.err


def test_malformed_stages_are_refused(corpora, mt, tmp_path):
    train = f"data.train=[{{path: {corpora}/a}}, {{path: {corpora}/b}}]"
    for stages, message in [
        ("[{until_step: 5, weights: [1]}]", "1 weights until step 5, but data.train has 2 weighted corpora"),
        ("[{until: 5, weights: [1, 1]}]", "must be {until_step: N, weights: [1, 0]}"),
        ("[{until_step: 5, until_epoch: 2, weights: [1, 1]}]", "must be {until_step: N, weights: [1, 0]}"),
        ("[{until_epoch: 2, weights: [1, 1]}, {until_epoch: 2, weights: [1, 1]}]", "must be a number above 2"),
        ("[{until_step: 5, weights: [1, 1]}, {until_step: 4, weights: [1, 1]}]", "must be a number above 5"),
        ("[{until_step: 5, weights: [0, 0]}]", "not all 0"),
        ("[{until_step: 5, weights: [1e-6, 0]}]", "with the weights [1e-06, 0], an epoch would have no pairs"),
    ]:
        outcome = mt(*of_several(corpora, f"run_dir={tmp_path}/run", train, f"data.stages={stages}"))
        assert outcome.code == 2, stages
        assert message in outcome.err
    assert SMALL


def test_tags_count_towards_the_longest_sources(corpora, tmp_path, mt):
    """Learned positions suffice for two tags before a source."""
    train = f"data.train=[{{path: {corpora}/a, tag: plain}}]"
    tags = ["data.language_tags=true", "data.max_len=8", "model.positions=learned"]
    dropped = []
    for number, settings in enumerate((tags[1:], tags)):
        limits = ["training.max_steps=20", f"run_dir={tmp_path}/{number}"]
        outcome = mt(*of_several(corpora, train, *settings, *limits))
        assert outcome.code == 0, outcome.err
        dropped.append(int(re.search(r"([\d,]+) too long", outcome.err)[1]))
    assert dropped[1] > dropped[0] > 0
