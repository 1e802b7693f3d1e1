"""Beam search on distributions that can be searched exhaustively."""

import itertools
import math

import pytest
import torch

from mt.search import Vocabulary, beam_search, length_penalty

BOS, EOS, NEVER = 0, 1, 2
VOCABULARY = Vocabulary(BOS, EOS, (BOS, NEVER))


class Prefixes:
    """The state of a toy model: what each row has generated."""

    def __init__(self, rows: list[tuple[int, list[int]]]) -> None:
        self.rows = rows

    def select(self, rows: torch.Tensor) -> None:
        self.rows = [self.rows[i] for i in rows.tolist()]


def toy_model(seed: int, n_tokens: int = 6):
    """Log-probabilities that depend on the sentence and on the whole prefix."""

    def distribution(sentence: int, prefix: tuple[int, ...]) -> torch.Tensor:
        generator = torch.Generator().manual_seed(hash((seed, sentence, prefix)) % (1 << 31))
        return (2 * torch.randn(n_tokens, generator=generator)).log_softmax(-1)

    def step(newest: torch.Tensor, state: Prefixes) -> torch.Tensor:
        state.rows = [(s, [*prefix, t]) for (s, prefix), t in zip(state.rows, newest.tolist(), strict=True)]
        return torch.stack([distribution(s, tuple(prefix)) for s, prefix in state.rows])

    return distribution, step


def search(step, n_sentences, max_len, beam_size, alpha=1.0):
    state = Prefixes([(s, []) for s in range(n_sentences) for _ in range(beam_size)])
    return beam_search(step, state, VOCABULARY, [max_len] * n_sentences, beam_size, alpha)


def exhaustive(distribution, sentence, max_len, alpha):
    """Every complete sequence with its log-probability and score."""
    found = []
    for length in range(max_len + 1):
        for tokens in itertools.product(range(3, 6), repeat=length):
            log_prob, prefix = 0.0, (BOS,)
            for token in (*tokens, EOS):
                log_probs = distribution(sentence, prefix).clone()
                log_prob += log_probs[token].item()
                prefix = (*prefix, token)
            found.append((log_prob / length_penalty(length + 1, alpha), log_prob, list(tokens)))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
def test_a_wide_beam_finds_what_exhaustive_search_finds(seed, alpha):
    distribution, step = toy_model(seed)
    results = search(step, 2, max_len=3, beam_size=120, alpha=alpha)
    for sentence, hypotheses in enumerate(results):
        for hypothesis, (score, log_prob, tokens) in zip(
            hypotheses, exhaustive(distribution, sentence, 3, alpha), strict=False
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
    (hypotheses,) = search(step, 1, max_len=8, beam_size=1)
    complete = prefix[-1] == EOS
    assert hypotheses[0].tokens == (prefix[1:-1] if complete else prefix[1:9])
    assert hypotheses[0].complete == complete


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_batch_equals_single(beam_size):
    _, step = toy_model(7)
    together = search(step, 6, max_len=7, beam_size=beam_size)
    for sentence in range(6):
        state = Prefixes([(sentence, []) for _ in range(beam_size)])
        (alone,) = beam_search(step, state, VOCABULARY, [7], beam_size, 1.0)
        assert alone == together[sentence]


def test_stopping_gives_up_nothing():
    """What is returned is what searching on to the length limit would return."""
    for seed in range(20):
        _, step = toy_model(seed)
        calls = 0

        def counted(newest, state, step=step):
            nonlocal calls
            calls += 1
            return step(newest, state)

        (stopped,) = search(counted, 1, max_len=12, beam_size=3)
        from mt import search as module

        original, module.Sentence.is_done = module.Sentence.is_done, lambda self, live: False
        try:
            (full,) = search(step, 1, max_len=12, beam_size=3)
        finally:
            module.Sentence.is_done = original
        assert stopped == full
        assert calls <= 13


def test_nothing_is_generated_that_must_not_be():
    for seed in range(10):
        _, step = toy_model(seed)
        for hypotheses in search(step, 3, max_len=5, beam_size=4):
            for hypothesis in hypotheses:
                assert not {BOS, EOS, NEVER} & set(hypothesis.tokens)
                assert len(hypothesis.tokens) <= 5


def test_what_never_ends_is_cut_and_says_so():
    def step(newest, state):
        logits = torch.zeros(len(newest), 6)
        logits[:, EOS] = -math.inf
        return logits

    (hypotheses,) = search(step, 1, max_len=4, beam_size=2)
    assert len(hypotheses[0].tokens) == 4
    assert not hypotheses[0].complete
    assert hypotheses[0].log_prob == pytest.approx(4 * math.log(1 / 5))


def test_length_penalty_is_gnmts():
    assert length_penalty(1, 0.6) == 1
    assert length_penalty(7, 0.5) == pytest.approx(math.sqrt(2))
