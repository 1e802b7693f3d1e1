"""Log-probabilities of given translations."""

from math import exp, inf

import numpy as np
import torch

from mt.data.batch import Batch, build_batch
from mt.data.sampler import plan_batches
from mt.model.transformer import Transformer
from mt.text.tags import NO_TAGS, Tags
from mt.text.tokenizer import Pairs, Tokenizer

MAX_ROWS = 1024
"""target positions whose logits are in memory at once"""
MAX_TOKENS = 4096
"""budget of a batch, unless another is given"""


@torch.inference_mode()
def token_log_probs(
    model: Transformer, tokenizer: Tokenizer, pairs: Pairs, tags: Tags = NO_TAGS, max_tokens: int = MAX_TOKENS
) -> list[list[float]]:
    """Return log p(token | source, earlier tokens) for each target token of each pair, EOS included.

    Args:
        pairs: source and target ids without special ids.
        tags: to put before each pair; their own log-probabilities are not returned.
        max_tokens: budget of a batch, as in training; a longer pair is a batch by itself.

    Raises:
        ValueError: a side is longer than the positions that the model has learned.
    """
    model.eval()
    pairs = tags.before(pairs)
    found: list[list[float]] = [[] for _ in pairs]
    src_lens, tgt_lens = (np.array([len(pair[side]) + 1 for pair in pairs], dtype=np.int64) for side in (0, 1))
    budget = max(max_tokens, int(np.maximum(src_lens, tgt_lens).max(initial=0)))
    for indices in plan_batches(src_lens, tgt_lens, budget):
        batch = build_batch([pairs[i] for i in indices], tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id)
        log_probs = batch_log_probs(model, batch.to(model.projection.weight.device))
        start = 0
        for index in indices.tolist():
            end = start + int(tgt_lens[index])
            found[index] = log_probs[start + len(tags.tgt) : end]
            start = end
    return found


def perplexity(model: Transformer, tokenizer: Tokenizer, pairs: Pairs, tags: Tags = NO_TAGS) -> float:
    """Return the perplexity of all target tokens, EOS included: exp of the mean of -log p, without smoothing.

    It is comparable only between models with the same vocabulary. Pairs longer than the positions that the model has
    learned are skipped.
    """
    scored = [pair for pair in pairs if max(map(len, pair)) + tags.n_most < model.n_target_positions]
    log_probs = [value for row in token_log_probs(model, tokenizer, scored, tags) for value in row]
    return perplexity_of_mean(sum(log_probs) / len(log_probs)) if log_probs else inf


def perplexity_of_mean(log_prob: float) -> float:
    """Return the perplexity for a mean log-probability; at most e^100, because floating-point numbers end."""
    return exp(min(100.0, -log_prob))


def batch_log_probs(model: Transformer, batch: Batch) -> list[float]:
    """Return the log-probabilities of all real target tokens of a batch, row by row."""
    decoded = model.decode(batch.tgt_in, model.encode(batch.src, batch.src_mask), batch.src_mask)
    features = decoded.flatten(0, 1).index_select(0, batch.tgt_positions)  # (B, T, D) -> (N, D)
    log_probs: list[float] = []
    for start in range(0, len(features), MAX_ROWS):
        rows = slice(start, start + MAX_ROWS)
        logits = model.projection(features[rows]).float()
        log_probs += logits.log_softmax(-1).gather(1, batch.tgt_out[rows].unsqueeze(1)).squeeze(1).tolist()
    return log_probs
