"""Beam search on distributions that can be searched exhaustively."""

import itertools
import math

import pytest
import torch

from mt.choices import LengthNorm
from mt.search.beam import CHUNK, Beam, beam_search, largest
from mt.search.hypotheses import Scoring, Sentence, Vocabulary

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
            state.prefixes[row] = [(*p, t) for p, t in zip(state.prefixes[row], tokens, strict=True)]
            rows.append(torch.stack([distribution(sentence, prefix) for prefix in state.prefixes[row]]))
        return torch.stack(rows)

    return distribution, step


def search(step, sentences, max_len, beam_size, scoring=GNMT, n_best=None):
    beam = Beam(beam_size, n_best or beam_size, scoring)
    return beam_search(step, Prefixes(sentences), VOCABULARY, [max_len] * len(sentences), beam)


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
def test_stopping_gives_up_nothing(monkeypatch, n_best):
    """What is returned is what searching on to the length limit would return."""
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


def test_nothing_is_generated_that_must_not_be():
    for seed in range(10):
        _, step = toy_model(seed)
        for hypotheses in search(step, [0, 1, 2], max_len=5, beam_size=4):
            for hypothesis in hypotheses:
                assert not {BOS, EOS, NEVER} & set(hypothesis.tokens)
                assert len(hypothesis.tokens) <= 5


def test_what_never_ends_is_cut_and_says_so():
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


@pytest.mark.parametrize("n_columns", [10, 12 * CHUNK, 40 * CHUNK + 17])
@pytest.mark.parametrize("count", [1, 10])
def test_largest_is_topk(n_columns, count):
    x = torch.randn(7, n_columns, generator=torch.Generator().manual_seed(5))
    x[0] = -math.inf
    x[0, -count:] = torch.arange(count).float()
    (values, places), expected = largest(x, count), x.topk(count)
    assert torch.equal(values, expected.values)
    assert torch.equal(places, expected.indices)
