"""Beam search on distributions that can be searched exhaustively."""

import collections
import itertools
import math

import pytest
import torch

from mt.config.choices import LengthNorm
from mt.search import beam
from mt.search.beam import Beam, beam_search
from mt.search.hypotheses import Hypothesis, Scoring, Sentence
from mt.search.live import GROUP, largest
from mt.search.phrases import Phrase, Required
from mt.search.required import MustContain
from mt.search.rules import Forbidden, ForcedPrefix, MinLength, NoLoops, NoRepeatedNgram, RepetitionPenalty
from mt.search.sampling import Sampling, pick, sample
from mt.search.task import Task, Vocabulary

BOS, EOS, NEVER = 0, 1, 2
VOCABULARY = Vocabulary(BOS, EOS, (BOS, NEVER))
GNMT, NO_NORM = Scoring(), Scoring(LengthNorm.none)


class Prefixes:
    """The state of a toy model: the sentences, and what each hypothesis has generated."""

    def __init__(self, sentences: list[int]) -> None:
        self.sentences = sentences
        self.prefixes: list[list[tuple[int, ...]]] = [[()] for _ in sentences]

    def follow(self, parents: torch.Tensor) -> None:
        self.prefixes = [
            [prefixes[parent] for parent in row] for prefixes, row in zip(self.prefixes, parents.tolist(), strict=True)
        ]

    def keep(self, rows: torch.Tensor) -> None:
        self.sentences = [self.sentences[row] for row in rows.tolist()]
        self.prefixes = [self.prefixes[row] for row in rows.tolist()]


def toy_model(seed: int, n_tokens: int = 6):
    """Log-probabilities that depend on the sentence and on the whole prefix."""

    def distribution(sentence: int, prefix: tuple[int, ...]) -> torch.Tensor:
        generator = torch.Generator().manual_seed(hash((seed, sentence, prefix)) % (1 << 31))
        return (2 * torch.randn(n_tokens, generator=generator)).log_softmax(-1)

    def step(newest: torch.Tensor, state: Prefixes) -> torch.Tensor:
        rows = []
        for row, (sentence, tokens) in enumerate(zip(state.sentences, newest.tolist(), strict=True)):
            prefixes = state.prefixes[row] if state.prefixes[row] != [()] else [()] * len(tokens)
            state.prefixes[row] = [(*p, t) for p, t in zip(prefixes, tokens, strict=True)]
            rows.append(torch.stack([distribution(sentence, prefix) for prefix in state.prefixes[row]]))
        return torch.stack(rows)

    return distribution, step


def task_of(step, sentences, max_len, rules=()):
    return Task(step, Prefixes(sentences), VOCABULARY, [max_len] * len(sentences), rules)


def search(step, sentences, max_len, beam_size, scoring=GNMT, n_best=None, rules=()):
    return beam_search(task_of(step, sentences, max_len, rules), Beam(beam_size, n_best or beam_size, scoring))


def exhaustive(distribution, sentence, max_len, scoring):
    """Every complete sequence with its log-probability and score."""
    found = []
    for length in range(max_len + 1):
        for tokens in itertools.product(range(3, 6), repeat=length):
            log_prob, prefix = 0.0, (BOS,)
            for token in (*tokens, EOS):
                log_probs = distribution(sentence, prefix).clone()
                log_prob += log_probs[token].item()
                prefix = (*prefix, token)
            found.append((log_prob / scoring.penalty(length + 1), log_prob, list(tokens)))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "scoring",
    [*(Scoring(LengthNorm.gnmt, alpha) for alpha in (0.0, 0.6, 1.0, 2.0)), Scoring(LengthNorm.average), NO_NORM],
    ids=lambda scoring: f"{scoring.norm.value}-{scoring.alpha}",
)
def test_a_wide_beam_finds_what_exhaustive_search_finds(seed, scoring):
    distribution, step = toy_model(seed)
    results = search(step, [0, 1], max_len=3, beam_size=120, scoring=scoring)
    for sentence, hypotheses in enumerate(results):
        for hypothesis, (score, log_prob, tokens) in zip(
            hypotheses, exhaustive(distribution, sentence, 3, scoring), strict=False
        ):
            assert hypothesis.tokens == tokens
            assert hypothesis.score == pytest.approx(score, abs=1e-4)
            assert hypothesis.log_prob == pytest.approx(log_prob, abs=1e-4)


@pytest.mark.parametrize("seed", range(10))
def test_beam_of_one_is_greedy(seed):
    distribution, step = toy_model(seed)
    prefix = [BOS]
    while len(prefix) <= 8:
        log_probs = distribution(0, tuple(prefix)).clone()
        log_probs[[BOS, NEVER]] = -math.inf
        prefix.append(int(log_probs.argmax()))
        if prefix[-1] == EOS:
            break
    (hypotheses,) = search(step, [0], max_len=8, beam_size=1)
    complete = prefix[-1] == EOS
    assert hypotheses[0].tokens == (prefix[1:-1] if complete else prefix[1:9])
    assert hypotheses[0].complete == complete


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_batch_equals_single(beam_size):
    _, step = toy_model(7)
    together = search(step, list(range(6)), max_len=7, beam_size=beam_size)
    for sentence in range(6):
        (alone,) = search(step, [sentence], max_len=7, beam_size=beam_size)
        assert alone == together[sentence]


@pytest.mark.parametrize("n_best", [1, 3])
def test_early_stopping_loses_nothing(monkeypatch, n_best):
    """The result is the same as when searching to the length limit."""
    steps = {"stopped": 0, "full": 0}
    for seed in range(20):
        _, step = toy_model(seed)

        def counted(newest, state, name, step=step):
            steps[name] += 1
            return step(newest, state)

        (stopped,) = search(lambda *x: counted(*x, "stopped"), [0], max_len=12, beam_size=3, n_best=n_best)
        with monkeypatch.context() as patch:
            patch.setattr(Sentence, "is_done", lambda self, total, length: length > self.max_len)
            (full,) = search(lambda *x: counted(*x, "full"), [0], max_len=12, beam_size=3, n_best=n_best)
        assert stopped == full
    assert steps["stopped"] < steps["full"] == 20 * 13


def test_excluded_ids_are_never_generated():
    for seed in range(10):
        _, step = toy_model(seed)
        for hypotheses in search(step, [0, 1, 2], max_len=5, beam_size=4):
            for hypothesis in hypotheses:
                assert not {BOS, EOS, NEVER} & set(hypothesis.tokens)
                assert len(hypothesis.tokens) <= 5


def test_an_endless_translation_is_cut_and_marked():
    def step(newest, state):
        logits = torch.zeros(*newest.shape, 6)
        logits[..., EOS] = -math.inf
        return logits

    (hypotheses,) = search(step, [0], max_len=4, beam_size=2)
    assert len(hypotheses[0].tokens) == 4
    assert not hypotheses[0].complete
    assert hypotheses[0].log_prob == pytest.approx(4 * math.log(1 / 5))


def test_length_penalty_is_gnmts():
    assert Scoring(alpha=0.6).penalty(1) == 1
    assert Scoring(alpha=0.5).penalty(7) == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize("n_columns", [10, 12 * GROUP, 40 * GROUP + 17])
@pytest.mark.parametrize("count", [1, 10])
def test_largest_is_topk(n_columns, count):
    x = torch.randn(7, n_columns, generator=torch.Generator().manual_seed(5))
    x[0] = -math.inf
    x[0, -count:] = torch.arange(count).float()
    (values, columns), expected = largest(x, count), x.topk(count)
    assert torch.equal(values, expected.values)
    assert torch.equal(columns, expected.indices)


A, B, C = 3, 4, 5


def never_twice(hypothesis, n):
    grams = [tuple(hypothesis.tokens[i : i + n]) for i in range(len(hypothesis.tokens) - n + 1)]
    return len(grams) == len(set(grams))


def text_of(tokens, pieces=None):
    return b"".join((pieces or PIECES)[token] for token in tokens)


def bigrams(hypothesis):
    text = text_of(hypothesis.tokens)
    return [text[i : i + 2] for i in range(len(text) - 1)]


PIECES = [b"", b"", b"", b" a", b"b", b"ab"]
RULES = {
    "minimum length": (MinLength(EOS, [3, 3]), lambda h: len(h.tokens) >= 3),
    "forced prefix": (ForcedPrefix([[B, B], [C, B]]), lambda h: h.tokens[:2] in ([B, B], [C, B])),
    "no bigram twice": (NoRepeatedNgram(2), lambda h: never_twice(h, 2)),
    "no trigram twice": (NoRepeatedNgram(3), lambda h: never_twice(h, 3)),
    "forbidden word": (Forbidden([b" ab"], PIECES), lambda h: b" ab" not in b" " + text_of(h.tokens)),
    "forbidden inside": (Forbidden([b"bb", b"ba"], PIECES), lambda h: not {b"bb", b"ba"} & set(bigrams(h))),
}


@pytest.mark.parametrize("name", RULES)
def test_rules_hold_and_the_best_allowed_hypothesis_is_found(name):
    """A wide beam with a rule finds what exhaustive search finds after removing what breaks the rule."""
    rule, holds = RULES[name]
    broken = 0
    for seed in range(6):
        distribution, step = toy_model(seed)
        results = search(step, [0, 1], max_len=4, beam_size=400, rules=[rule])
        for sentence, hypotheses in enumerate(results):
            everything = exhaustive(distribution, sentence, 4, GNMT)
            expected = [entry for entry in everything if holds(Hypothesis(entry[2], 0.0, [], 0.0))]
            if name == "forced prefix":
                expected = [entry for entry in expected if entry[2][:2] == rule.prefixes[sentence]]
            broken += len(everything) - len(expected)
            complete = [h for h in hypotheses if h.complete]
            assert [h.tokens for h in complete] == [tokens for _, _, tokens in expected]
            assert complete[0].log_prob == pytest.approx(expected[0][1], abs=1e-4)
    assert broken


A, AB = Phrase(b"a", [3], [3]), Phrase(b"ab", [3, 4], [5])
BBB = Phrase(b"bbb", [4, 4, 4], [4, 4, 4])
REQUIRED = {
    "one of several tokens": ([[BBB]], lambda text: b"bbb" in text),
    "two": ([[A], [BBB]], lambda text: b"a" in text and b"bbb" in text),
    "one or the other": ([[BBB, AB]], lambda text: b"bbb" in text or b"ab" in text),
}


def search_with(required, step, sentences, beam_size, max_len, n_best=None):
    max_lens = [max_len] * len(sentences)
    rule = MustContain([required] * len(sentences), max_lens, EOS)
    task = Task(step, Prefixes(sentences), VOCABULARY, max_lens, [rule], [required] * len(sentences))
    return beam_search(task, Beam(beam_size, n_best or beam_size))


@pytest.mark.parametrize("name", REQUIRED)
def test_required_phrases_occur_and_the_best_such_hypothesis_is_found(name):
    """Except for the last tokens, reserved for what is missing, a wide beam finds what exhaustive search finds."""
    groups, holds = REQUIRED[name]
    required = Required(groups, PIECES, spaced=False)
    for seed in range(3):
        distribution, step = toy_model(seed)
        (hypotheses,) = search_with(required, step, [0], 1500, 4 + required.n_tokens)
        assert all(holds(text_of(h.tokens)) for h in hypotheses)
        everything = exhaustive(distribution, 0, 4, GNMT)
        expected = [tokens for _, _, tokens in everything if holds(text_of(tokens))]
        assert 0 < len(expected) < len(everything)
        assert [h.tokens for h in hypotheses if h.complete and len(h.tokens) <= 4] == expected
        (narrow,) = search_with(required, step, [0], 4, 4 + required.n_tokens, n_best=1)
        assert narrow[0].score <= hypotheses[0].score + 1e-5


@pytest.mark.parametrize("beam_size", [2, 3, 5])
def test_required_phrases_occur_whatever_the_batch(beam_size):
    required = Required([[A], [BBB, AB]], PIECES, spaced=False)
    for seed in range(20):
        _, step = toy_model(seed)
        together = search_with(required, step, [0, 1, 2], beam_size, 7)
        for sentence, hypotheses in enumerate(together):
            assert all(REQUIRED["one or the other"][1](text_of(h.tokens)) for h in hypotheses)
            assert all(b"a" in text_of(h.tokens) for h in hypotheses)
            (alone,) = search_with(required, step, [sentence], beam_size, 7)
            assert [h.tokens for h in alone] == [h.tokens for h in hypotheses]


@pytest.mark.parametrize("beam_size", [2, 5])
@pytest.mark.parametrize("max_free", [0, 1, 3])
def test_phrases_with_the_same_start(beam_size, max_free):
    """Continuing one phrase can destroy another: the word Haus is not in Hausboot."""
    haus, boat, ship = (
        Phrase(text, tokens, tokens) for text, tokens in [(b"a", [3]), (b"ab", [3, 4]), (b"aba", [3, 4, 6])]
    )
    pieces = [*PIECES, b"a"]
    for groups in ([[haus], [boat]], [[boat], [haus]], [[haus], [boat], [ship]]):
        required = Required(groups, pieces, spaced=True, continuing=[4, 5, 6])
        for seed in range(10):
            _, step = toy_model(seed, n_tokens=7)
            (hypotheses,) = search_with(required, step, [0], beam_size, max_free + required.n_tokens)
            assert hypotheses
            words = [text_of(h.tokens, pieces).split() for h in hypotheses]
            assert all(group[0].text in found for found in words for group in groups), words


def test_making_room_in_the_beam_improves_scores(monkeypatch):
    """Without it, required phrases are forced at the end, where they cost most."""
    required = Required([[A], [BBB]], PIECES, spaced=False)
    scores = []
    for _ in range(2):
        results = [search_with(required, toy_model(seed)[1], [0], 6, 7, n_best=1)[0][0].score for seed in range(30)]
        scores.append(sum(results))
        monkeypatch.setattr(beam, "make_room", lambda *_: None)
    assert scores[0] > scores[1] + 1


def test_requirements_of_one_sentence_do_not_affect_others():
    required = Required([[BBB]], PIECES, spaced=False)
    _, step = toy_model(1)
    rule = MustContain([None, required], [7, 7], EOS)
    task = Task(step, Prefixes([0, 1]), VOCABULARY, [7, 7], [rule], [None, required])
    free, bound = beam_search(task, Beam(4, 4))
    assert [h.tokens for h in free] == [h.tokens for h in search(step, [0], max_len=7, beam_size=4)[0]]
    assert [h.tokens for h in bound] == [h.tokens for h in search_with(required, step, [1], 4, 7)[0]]


def test_required_phrases_are_whole_words_in_languages_with_spaces():
    hund = [[Phrase(b"Hund", [1], [1])]]
    pieces = [b"", b" Hund", b"e", b"!", " Sch\u00e4fer".encode(), b"hund", b" (", b"Hund", "\u201c".encode()]
    spaced, unspaced = Required(hund, pieces, spaced=True), Required(hund, pieces, spaced=False)
    for tokens, whole in [([1], 1), ([1, 3], 1), ([1, 2], 0), ([6, 7, 8], 1), ([4, 7], 0), ([4, 5], 0), ([1, 2, 1], 1)]:
        assert (spaced.lack(tokens).n_tokens == 0) == bool(whole), tokens
    assert unspaced.lack([1, 2]).n_tokens == 0


def test_forbidden_phrases_after_a_bracket_and_inside_pieces():
    spaced = Forbidden([b" bad"], [b" bad", b" (", b"bad", b" x"])
    scores = torch.zeros(1, 1, 4)
    spaced(scores, torch.tensor([[[3, 1]]]), [0])
    assert scores[0, 0].tolist() == [-math.inf, 0, -math.inf, 0]
    unspaced = Forbidden(["中国".encode()], [text.encode() for text in ("我", "中", "国人", "国", "人")])
    scores = torch.zeros(1, 1, 5)
    unspaced(scores, torch.tensor([[[0, 1]]]), [0])
    assert scores[0, 0].tolist() == [0, 0, -math.inf, -math.inf, 0]


def test_repetition_penalty_changes_scores_but_not_log_probabilities():
    _, step = toy_model(3)
    (plain,) = search(step, [0], max_len=4, beam_size=400)
    (punished,) = search(step, [0], max_len=4, beam_size=400, rules=[RepetitionPenalty(3.0)])
    of = {tuple(h.tokens): h for h in plain if h.complete}
    for hypothesis in punished:
        if hypothesis.complete:
            other = of[tuple(hypothesis.tokens)]
            assert hypothesis.log_probs == pytest.approx(other.log_probs, abs=1e-5)
            repeated = [
                log_prob
                for i, (token, log_prob) in enumerate(zip(other.tokens, other.log_probs, strict=False))
                if token in other.tokens[:i]
            ]
            total = other.log_prob + 2.0 * sum(repeated)
            assert hypothesis.score == pytest.approx(total / GNMT.penalty(len(other.log_probs)), abs=1e-4)


def test_patience_finishes_earlier():
    worse = 0
    for seed in range(20):
        _, step = toy_model(seed)
        (exact,) = search(step, [0], max_len=12, beam_size=3, n_best=1)
        (hasty,) = beam_search(task_of(step, [0], 12), Beam(3, 1, patience=1 / 3))
        assert hasty[0].score <= exact[0].score + 1e-6
        worse += hasty[0].score < exact[0].score - 1e-6
    assert worse


def test_groups_without_diversity_are_the_same():
    for seed in range(5):
        _, step = toy_model(seed)
        (plain,) = search(step, [0], max_len=6, beam_size=2)
        (same,) = beam_search(task_of(step, [0], 6), Beam(6, 2, groups=3, diversity=0.0))
        assert [h.tokens for h in same] == [h.tokens for h in plain]


def test_diverse_groups_start_differently():
    def first_tokens(hypotheses):
        return len({tuple(h.tokens[:1]) for h in hypotheses})

    plain, diverse = [], []
    for seed in range(10):
        _, step = toy_model(seed)
        plain += search(step, [0], max_len=6, beam_size=4)
        diverse += beam_search(task_of(step, [0], 6), Beam(4, 4, groups=4, diversity=5.0))
    assert all(len({tuple(h.tokens) for h in hypotheses}) == len(hypotheses) == 4 for hypotheses in diverse)
    assert sum(map(first_tokens, diverse)) > sum(map(first_tokens, plain))


def test_coverage_is_gnmts():
    """cp(x, y) = beta * sum over the source of log(min(sum over the target of p, 1))."""
    _, step = toy_model(1)

    class Watched(Prefixes):
        def attention(self):
            rows = zip(self.sentences, self.prefixes, strict=True)
            return torch.stack([torch.stack([weights(sentence, p) for p in prefixes]) for sentence, prefixes in rows])

    def weights(sentence, prefix):
        generator = torch.Generator().manual_seed(len(prefix) + 10 * sum(prefix))
        return torch.cat((torch.rand(3, generator=generator).softmax(-1), torch.zeros(1)))  # the last one is padding

    task = Task(step, Watched([0]), VOCABULARY, [3])
    (hypotheses,) = beam_search(task, Beam(120, 120, Scoring(coverage=0.4)))
    for hypothesis in hypotheses:
        if hypothesis.complete:
            prefixes = [(BOS, *hypothesis.tokens[:i]) for i in range(len(hypothesis.tokens) + 1)]
            covered = sum(weights(0, prefix) for prefix in prefixes)[:3].tolist()
            penalty = 0.4 * sum(math.log(min(weight, 1.0)) for weight in covered)
            plain = hypothesis.log_prob / GNMT.penalty(len(hypothesis.log_probs))
            assert hypothesis.score == pytest.approx(plain + penalty, abs=1e-4)


def draws(sampling, seeds, max_len=6, model=2, sentences=None):
    _, step = toy_model(model)
    return sample(task_of(step, sentences or [0] * len(seeds), max_len), sampling, seeds)


def test_samples_occur_at_their_probabilities():
    """The probability of excluded tokens is distributed over the others."""
    distribution, _ = toy_model(2)
    found = draws(Sampling(1), range(6000), max_len=2)
    counts = collections.Counter(tuple(h[0].tokens) for h in found if h[0].complete)
    sequences = [tokens for length in range(3) for tokens in itertools.product(range(3, 6), repeat=length)]
    for sequence in sequences:
        probability, prefix = 1.0, (BOS,)
        for token in (*sequence, EOS):
            p = distribution(0, prefix).exp()
            probability *= float(p[token] / (1 - p[[BOS, NEVER]].sum()))
            prefix = (*prefix, token)
        assert counts[sequence] / 6000 == pytest.approx(probability, abs=0.02)
    assert max(counts[sequence] for sequence in sequences if len(sequence) == 2) > 120


def test_samples_depend_on_the_seed_alone():
    sampling = Sampling(3, 3)
    together = draws(sampling, [11, 12, 13], sentences=[0, 1, 2])
    alone = [draws(sampling, [seed], sentences=[sentence])[0] for sentence, seed in ((0, 11), (1, 12), (2, 13))]
    assert together == alone
    assert together != draws(sampling, [21, 22, 23], sentences=[0, 1, 2])


def test_the_score_of_a_sample_that_is_cut_is_that_of_the_rest():
    distribution, step = toy_model(2)
    task, scoring = task_of(step, [0] * 100, 3, [RepetitionPenalty(2.0)]), Scoring(LengthNorm.none)
    cut = [samples[0] for samples in sample(task, Sampling(scoring=scoring), range(100)) if not samples[0].complete]
    assert any(len(set(one.tokens)) < len(one.tokens) for one in cut)
    for one in cut:
        expected = 0.0
        for i, token in enumerate(one.tokens):
            factor = 2 if token in one.tokens[:i] else 1
            expected += factor * float(distribution(0, (BOS, *one.tokens[:i]))[token])
        assert one.score == pytest.approx(expected, abs=1e-4)


def test_narrow_samples():
    """Sampling only the most probable token, by any option, is greedy search."""
    _, step = toy_model(2)
    (greedy,) = search(step, [0], max_len=6, beam_size=1)
    for sampling in (Sampling(top_k=1), Sampling(top_p=1e-6), Sampling(temperature=1e-4)):
        for (hypothesis,) in draws(sampling, range(5)):
            assert hypothesis.tokens == greedy[0].tokens
            assert hypothesis.log_probs == pytest.approx(greedy[0].log_probs, abs=1e-5)


def test_top_k_and_top_p_exclude_the_rest():
    scores = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().expand(1, 1, 4)
    uniform = torch.linspace(0, 0.9999, 400)

    def drawn(**narrowing):
        return collections.Counter(int(pick(scores, Sampling(**narrowing), x.view(1, 1))) for x in uniform)

    assert set(drawn(top_k=2)) == {0, 1}
    assert drawn(top_k=2)[0] / 400 == pytest.approx(0.5 / 0.8, abs=0.01)
    assert set(drawn(top_p=0.5)) == {0}
    assert set(drawn(top_p=0.6)) == {0, 1}
    assert set(drawn(top_p=0.81)) == {0, 1, 2}
    assert [drawn()[token] for token in range(4)] == pytest.approx([200, 120, 60, 20], abs=2)


def test_a_loop_ends():
    """A model that always prefers the same three tokens in turn: they occur three times."""

    def step(newest, state):
        logits = torch.zeros(*newest.shape, 6)
        following = {BOS: 3, 3: 4, 4: 5, 5: 3}
        for row, tokens in enumerate(newest.tolist()):
            for column, token in enumerate(tokens):
                logits[row, column, following.get(token, EOS)] = 5.0
                logits[row, column, EOS] = 2.0
        return logits

    assert len(beam_search(task_of(step, [0], 40), Beam(1))[0][0].tokens) == 40
    for beam_size in (1, 3):
        task = Task(step, Prefixes([0, 1]), VOCABULARY, [40, 40], bans=[NoLoops()])
        for best, *_ in beam_search(task, Beam(beam_size)):
            assert best.complete
            assert len(best.tokens) <= 9


def test_what_is_repeated_three_times_is_left_alone():
    """The end occurs not quite three times, or three times; or it is one token, four, three, seven or six times."""
    tokens = torch.tensor([[
        [9, 9, 1, 2, 3, 1, 2, 3, 1, 2], [0, 1, 2, 3, 1, 2, 3, 1, 2, 3], [0, 1, 0, 2, 1, 2, 1, 2, 1, 2],
        [7, 8, 9, 7, 8, 9, 4, 4, 4, 4], [7, 8, 9, 7, 8, 9, 7, 4, 4, 4], [1, 2, 3, 0, 0, 0, 0, 0, 0, 0],
        [1, 2, 3, 1, 9, 0, 0, 0, 0, 0],
    ]])  # fmt: skip
    scores = torch.zeros(1, 7, 10)
    rule = NoLoops(without_letters=torch.arange(10) == 0)
    rule(scores, tokens, [0])
    assert [row.isinf().nonzero().flatten().tolist() for row in scores[0]] == [[], [1], [1], [4], [4], [0], []]
    for length in range(5):
        rule(scores, tokens[..., :length], [0])  # too short for most
    scores = torch.zeros(1, 7, 10)
    NoLoops(exempt={3})(scores, tokens, [3])
    assert not scores.any()
