import itertools

import pytest
import torch

from mt.config.choices import Activation, Norm, Positions
from mt.config.schema import ModelConfig
from mt.data.batch import build_source
from mt.model.dropout import Dropout
from mt.model.layers import Embedding, sinusoids, store_by_columns
from mt.model.transformer import Transformer

TINY = dict(d_model=16, n_heads=2, d_ff=32, n_encoder_layers=2, n_decoder_layers=2, dropout=0.0)


def build(n_positions: int = 32, joint: bool = True, **changes: object) -> Transformer:
    torch.manual_seed(3)
    config = ModelConfig(**{**TINY, **changes})  # type: ignore[arg-type]
    return Transformer(config, 20, 20, joint, n_positions=n_positions).eval()


VARIANTS = [
    dict(norm=norm, positions=positions, activation=activation)
    for norm, positions, activation in itertools.product(Norm, Positions, Activation)
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(x.value for x in v.values()))
def test_step_by_step_equals_all_at_once(variant):
    model = build(**variant)
    src, src_mask = build_source([[5, 6, 7, 8], [9, 10]], pad_id=0, eos_id=3)
    tgt = torch.tensor([[2, 11, 12, 13], [2, 14, 15, 16]])
    with torch.no_grad():
        at_once = model(src, src_mask, tgt)
        beam = 3
        state = model.start(model.encode(src, src_mask), src_mask, beam)
        for position in range(tgt.size(1)):
            logits = model.step(tgt[:, position : position + 1].expand(-1, beam), state)
            for hypothesis in range(beam):
                assert torch.allclose(logits[:, hypothesis], at_once[:, position], atol=1e-5)
            state.follow(torch.arange(beam).expand(2, -1))


def test_hypotheses_are_reordered_and_sentences_dropped():
    """Hypotheses change their order, multiply and end, and sentences are finished, as in a beam search."""
    model = build()
    src, src_mask = build_source([[5, 6, 7], [8], [9, 10]], pad_id=0, eos_id=3)
    with torch.no_grad():
        state = model.start(model.encode(src, src_mask), src_mask, 2)
        model.step(torch.tensor([[2], [2], [2]]), state)
        state.follow(torch.zeros(3, 2, dtype=torch.long))
        model.step(torch.tensor([[11, 12], [13, 14], [15, 16]]), state)
        state.follow(torch.tensor([[1, 1], [0, 1], [1, 0]]))
        state.keep(torch.tensor([0, 2]))
        logits = model.step(torch.tensor([[17, 18], [17, 18]]), state)
        state.follow(torch.tensor([[1, 0], [0, 1]]))
        state.keep(torch.tensor([1, 0]))
        after = model.step(torch.tensor([[5, 6], [7, 8]]), state)

        def expected(sentence, prefix):
            return model(src[[sentence]], src_mask[[sentence]], torch.tensor([prefix]))[0, -1]

        for found, sentence, prefix in [
            (logits[0, 0], 0, [2, 12, 17]),
            (logits[0, 1], 0, [2, 12, 18]),
            (logits[1, 0], 2, [2, 16, 17]),
            (logits[1, 1], 2, [2, 15, 18]),
            (after[0, 0], 2, [2, 16, 17, 5]),
            (after[0, 1], 2, [2, 15, 18, 6]),
            (after[1, 0], 0, [2, 12, 18, 7]),
            (after[1, 1], 0, [2, 12, 17, 8]),
        ]:
            assert torch.allclose(found, expected(sentence, prefix), atol=1e-5)


def test_padding_changes_nothing():
    model = build()
    alone, alone_mask = build_source([[5, 6]], pad_id=0, eos_id=3)
    padded, padded_mask = build_source([[5, 6], [7] * 9], pad_id=0, eos_id=3)
    tgt = torch.tensor([[2, 8, 9]])
    with torch.no_grad():
        assert torch.allclose(
            model(alone, alone_mask, tgt)[0], model(padded, padded_mask, tgt.repeat(2, 1))[0], atol=1e-5
        )


def test_tied_matrices():
    tied, half, untied = build(), build(joint=False), build(tie_embeddings=False)
    assert tied.src_embedding.tokens.weight is tied.projection.weight is tied.tgt_embedding.tokens.weight
    assert half.src_embedding.tokens.weight is not half.projection.weight is half.tgt_embedding.tokens.weight
    assert untied.projection.weight is not untied.tgt_embedding.tokens.weight


def test_storing_by_columns_changes_no_value_and_keeps_ties():
    model = build()
    src, src_mask = build_source([[5, 6, 7, 8], [9, 10]], pad_id=0, eos_id=3)
    tgt = torch.tensor([[2, 4, 5], [2, 6, 7]])
    before = model(src, src_mask, tgt)
    store_by_columns(model)
    assert torch.allclose(model(src, src_mask, tgt), before, atol=1e-6)
    assert model.projection.weight is model.tgt_embedding.tokens.weight
    assert model.decoder[0].feed_forward.hidden.weight.stride() == (1, 32)


def test_sinusoids_are_the_papers_formula():
    table = sinusoids(50, 8)
    for position, feature in itertools.product((0, 1, 49), range(4)):
        angle = torch.tensor(position / 10000 ** (2 * feature / 8), dtype=torch.float64)
        assert table[position, 2 * feature].item() == pytest.approx(angle.sin().item(), abs=1e-6)
        assert table[position, 2 * feature + 1].item() == pytest.approx(angle.cos().item(), abs=1e-6)


def test_sinusoids_are_extended_but_learned_positions_are_not():
    ids = torch.full((1, 40), 5)
    with torch.no_grad():
        assert torch.allclose(
            build(n_positions=4).src_embedding(ids), build(n_positions=64).src_embedding(ids), atol=1e-6
        )
    with pytest.raises(ValueError, match="exceeds the 4 learned"):
        build(n_positions=4, positions=Positions.learned).src_embedding(ids)


def test_dropout_keeps_the_mean_and_drops_the_right_fraction():
    torch.manual_seed(5)
    dropout, x = Dropout(0.3), torch.ones(1000, 999)
    y = dropout(x)
    assert (y == 0).float().mean().item() == pytest.approx(0.3, abs=0.003)
    assert y.mean().item() == pytest.approx(1.0, abs=0.003)
    assert torch.equal(dropout.eval()(x), x)
    columns = (dropout.train()(torch.ones(8000, 8)) == 0).float().mean(0)
    assert (columns - 0.3).abs().max() < 0.03  # every byte of a random number is used alike


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
def test_gradients_pass_where_values_pass(relu, dtype, tolerance):
    dropout, generator = Dropout(0.25), torch.Generator().manual_seed(2)
    x, upstream = (torch.randn(20, 30, generator=generator).to(dtype) for _ in range(2))
    leaf = x.clone().requires_grad_()
    result = dropout.relu(leaf) if relu else dropout(leaf)
    result.backward(upstream)
    passes = result.detach() != 0
    may_pass = x > 0 if relu else torch.ones_like(passes)
    assert not (passes & ~may_pass).any()
    assert 0.65 < passes.sum() / may_pass.sum() < 0.85
    for ours, plain in ((result.detach(), x), (leaf.grad, upstream)):
        assert torch.allclose(ours, torch.where(passes, plain * 256 / 192, 0.0), rtol=tolerance)


@pytest.mark.parametrize("dropout", [Dropout(0.25).eval(), Dropout(0.0)])
def test_without_dropout_values_pass_as_they_are(dropout):
    x = torch.tensor([-2.0, -0.0, 0.5, 3.0])
    assert torch.equal(dropout(x), x)
    assert torch.equal(dropout.relu(x), x.clamp(min=0))


def test_dropout_keeps_a_byte_for_each_value_and_none_after_relu():
    n_bytes = []

    def count(tensor):
        n_bytes.append(tensor.numel() * tensor.itemsize)
        return tensor

    x = torch.randn(100, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        Dropout(0.5)(x)
        result = Dropout(0.5).relu(x)
    assert n_bytes == [100, result.numel() * 4]  # the second is the result, which the next map keeps, too


def test_positions_that_a_translation_needed_serve_training():
    """Several processes broadcast or train with them, which torch forbids for what inference mode has made."""
    embedding = Embedding(torch.nn.Embedding(5, 8), n_positions=4)
    with torch.inference_mode():
        embedding(torch.zeros(1, 9, dtype=torch.long))
    assert len(embedding.positions) >= 9
    assert not embedding.positions.is_inference()
    assert torch.equal(embedding.positions[:9], sinusoids(9, 8))
