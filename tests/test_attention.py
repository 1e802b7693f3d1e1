"""Attention follows the formula: s_ij = q_i · k_j / √K, softmax over j, o_i = Σ_j a_ij v_j."""

import math

import pytest
import torch
from torch import nn

from mt.model.attention import MultiHeadAttention, attention_weights, recorded_weights


def attend_by_sums(attention: MultiHeadAttention, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Attention of x (T, D) to y (S, D) for one sentence, number by number."""
    n_heads, d_head = attention.n_heads, x.size(1) // attention.n_heads
    q, k, v = attention.query(x), attention.key(y), attention.value(y)
    out = torch.zeros_like(x)
    for h in range(n_heads):
        first = h * d_head
        for i in range(len(x)):
            scores = []
            for j in range(len(y)):
                s_ij = sum(float(q[i, first + f]) * float(k[j, first + f]) for f in range(d_head))
                scores.append(s_ij / math.sqrt(d_head))
            total = sum(math.exp(s) for s in scores)
            for j in range(len(y)):
                a_ij = math.exp(scores[j]) / total
                for f in range(d_head):
                    out[i, first + f] += a_ij * float(v[j, first + f])
    return attention.output(out)


def test_equals_the_sums_written_out():
    torch.manual_seed(1)
    attention = MultiHeadAttention(8, 2)
    x, y = torch.randn(2, 3, 8), torch.randn(2, 4, 8)
    with torch.no_grad():
        for b in range(2):
            assert torch.allclose(attention(x)[b], attend_by_sums(attention, x[b], x[b]), atol=1e-5)
            assert torch.allclose(attention(x, y)[b], attend_by_sums(attention, x[b], y[b]), atol=1e-5)


def test_shape_of_32_10_512():
    attention = MultiHeadAttention(512, 8)
    x = torch.randn(32, 10, 512)
    assert attention(x).shape == (32, 10, 512)
    weights = attention.weights(x)
    assert weights.shape == (32, 8, 10, 10)
    assert torch.allclose(weights.sum(-1), torch.ones(32, 8, 10), atol=1e-5)


def test_sentences_of_a_batch_are_independent():
    attention = MultiHeadAttention(16, 4)
    x = torch.randn(3, 5, 16)
    changed = x.clone()
    changed[1] += 1
    before, after = attention(x), attention(changed)
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[2], after[2])
    assert not torch.allclose(before[1], after[1])


def test_equals_torchs_own_attention():
    torch.manual_seed(2)
    ours, theirs = MultiHeadAttention(16, 4), nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        theirs.out_proj.weight.copy_(ours.output.weight)
        theirs.out_proj.bias.copy_(ours.output.bias)
    x, y = torch.randn(2, 5, 16), torch.randn(2, 7, 16)
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[0, 4:] = False
    expected, expected_weights = theirs(x, y, y, key_padding_mask=~mask, average_attn_weights=False)
    assert torch.allclose(ours(x, y, mask=mask[:, None, None]), expected, atol=1e-5)
    assert torch.allclose(ours.weights(x, y, mask[:, None, None]), expected_weights, atol=1e-5)


def test_causal_positions_do_not_attend_to_later_ones():
    attention = MultiHeadAttention(16, 4)
    x = torch.randn(1, 6, 16)
    changed = x.clone()
    changed[0, 4] += 1
    before, after = attention(x, causal=True), attention(changed, causal=True)
    assert torch.allclose(before[0, :4], after[0, :4], atol=1e-6)
    assert attention.weights(x, causal=True)[0, 0].triu(1).abs().sum() == 0


def test_masked_positions_have_no_weight():
    weights = attention_weights(torch.randn(2, 3, 4), torch.randn(2, 5, 4), torch.tensor([1, 1, 0, 1, 0]).bool())
    assert weights[..., [2, 4]].abs().sum() == 0


def test_recorded_weights_are_those_of_the_call():
    attention = MultiHeadAttention(16, 4)
    x, y = torch.randn(1, 3, 16), torch.randn(1, 5, 16)
    with recorded_weights(attention) as records:
        attention(x, y)
    attention(x)  # no longer recorded
    assert len(records) == 1
    assert torch.allclose(records[0], attention.weights(x, y))


def test_heads_must_divide_the_features():
    with pytest.raises(ValueError, match="10 is not divisible by n_heads=3"):
        MultiHeadAttention(10, 3)
