"""Guided attention: a lexicon that is learnt from the training text teaches the decoder where to look."""

import math

import numpy as np
import pytest
import torch
from conftest import overrides
from test_improvements import build, gradients

from mt.data.batch import build_batch
from mt.training.guidance import Guidance
from mt.training.lexicon import Lexicon
from mt.training.lexicon_learning import MOST_COMBINATIONS, choose_pairs, learn_lexicon
from mt.training.objective import Objective

N_PIECES = 12
PAIRS = [([4, 5, 6], [7, 8]), ([4, 5], [7, 9]), ([5], [9]), ([6, 4], [8, 7]), ([4, 4, 6, 5], [7, 10, 8, 8, 9])]
P_NULL, DIAGONAL = 0.08, 4.0


def prior(own: int, n_own: int, others: int) -> list[float]:
    """Return the prior of an alignment to each of `others` positions, written out."""
    near = [math.exp(-DIAGONAL * abs((own + 0.5) / n_own - (other + 0.5) / others)) for other in range(others)]
    return [(1 - P_NULL) * one / sum(near) for one in near]


def posteriors(pair, side, table, unigrams):
    """Return, for each position of a side, the probabilities of its alignment to those of the other; dict by pieces."""
    own, other = pair[side], pair[1 - side]
    rows = []
    for i, piece in enumerate(own):
        joint = [p * table[given, piece] for p, given in zip(prior(i, len(own), len(other)), other, strict=True)]
        total = sum(joint) + P_NULL * unigrams[piece]
        rows.append([one / total for one in joint])
    return rows


def learn(pairs, side):
    """Learn the probabilities of a side's pieces given those of the other, one count at a time."""
    text = [piece for pair in pairs for piece in pair[side]]
    unigrams = {piece: text.count(piece) / len(text) for piece in text}
    entries = {(given, piece) for pair in pairs for given in pair[1 - side] for piece in pair[side]}
    table = dict.fromkeys(entries, 1 / len(entries))
    for _ in range(5):
        counts = dict.fromkeys(entries, 0.0)
        for pair in pairs:
            for piece, row in zip(pair[side], posteriors(pair, side, table, unigrams), strict=True):
                for given, probability in zip(pair[1 - side], row, strict=True):
                    counts[given, piece] += probability
        totals: dict[int, float] = {}
        for (given, _), count in counts.items():
            totals[given] = totals.get(given, 0.0) + count
        table = {key: count / totals[key[0]] for key, count in counts.items()}
    return table, unigrams


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return learn_lexicon(PAIRS, N_PIECES, N_PIECES)


def aligned(lexicon, pairs):
    """Align a batch of pairs, padded."""
    sides = []
    for side in (0, 1):
        longest = max(len(pair[side]) for pair in pairs)
        ids = torch.tensor([[*pair[side], *[0] * (longest - len(pair[side]))] for pair in pairs])
        sides += [ids, ids != 0]
    return lexicon.align(*sides)


def test_the_lexicon_is_that_of_expectation_maximisation_written_out(lexicon):
    for side, found in ((0, lexicon.src_given_tgt), (1, lexicon.tgt_given_src)):
        table, _ = learn(PAIRS, side)
        for key, probability in zip(lexicon.keys.tolist(), found.tolist(), strict=True):
            src, tgt = divmod(key, N_PIECES)
            assert probability == pytest.approx(table[(tgt, src) if side == 0 else (src, tgt)], rel=1e-4)


def test_an_alignment_is_the_product_of_both_models(lexicon):
    tables = [learn(PAIRS, side) for side in (0, 1)]
    for table, _ in tables:  # what both models together find improbable is left out
        for given, piece in table:
            src, tgt = (given, piece) if table is tables[1][0] else (piece, given)
            if src * N_PIECES + tgt not in lexicon.keys:
                table[given, piece] = 0.0
    for pair, found in zip(PAIRS, aligned(lexicon, PAIRS), strict=True):
        of_src, of_tgt = (posteriors(pair, side, *tables[side]) for side in (0, 1))
        expected = np.array(of_tgt) * np.array(of_src).T
        assert np.allclose(found[: len(pair[1]), : len(pair[0])], expected, rtol=1e-3, atol=1e-7)


def test_padding_and_other_pairs_do_not_change_an_alignment(lexicon):
    together = aligned(lexicon, PAIRS)
    for pair, found in zip(PAIRS, together, strict=True):
        (alone,) = aligned(lexicon, [pair])
        assert torch.allclose(found[: len(pair[1]), : len(pair[0])], alone, rtol=1e-5)
        assert found.sum().item() == pytest.approx(alone.sum().item(), rel=1e-5)


def test_unknown_pieces_are_aligned_to_nothing(lexicon):
    assert aligned(lexicon, [([11, 4], [3, 7])])[0, 0].sum() == 0
    nothing = learn_lexicon([([4], [5])], N_PIECES, N_PIECES)
    assert aligned(nothing, [([7], [8])]).sum() == 0


def guided_batch(pairs):
    return build_batch(pairs, pad_id=0, bos_id=2, eos_id=3)


def test_the_loss_is_a_cross_entropy_written_out(lexicon):
    batch = guided_batch(PAIRS)
    model = build(n_decoder_layers=3).train()
    heads: list[torch.Tensor] = []
    model.decode(batch.tgt_in, model.encode(batch.src, batch.src_mask), batch.src_mask, first_heads=heads)
    assert len(heads) == 2  # of all layers but the first
    expected = 0.0
    for head in heads:
        for row, pair in enumerate(PAIRS):
            n_src, n_tgt = len(pair[0]), len(pair[1])
            links = aligned(lexicon, [pair])[0]
            expected -= (links * head[row, :n_tgt, :n_src].log()).sum().item() / 2
            expected -= head[row, n_tgt, n_src].log().item() / 2  # the ends belong to each other
    plain, _ = Objective(model)(batch)
    found, _ = Objective(model, guidance=Guidance(lexicon, 0.5))(batch)
    assert found.item() == pytest.approx(plain.item() + 0.5 * expected, rel=1e-5)


def test_guidance_is_exact_under_micro_batches_and_gradient_checkpointing(lexicon):
    guidance = Guidance(lexicon, 0.5)
    whole, parts, again = (build(n_decoder_layers=3) for _ in range(3))
    again.gradient_checkpointing = True
    for model, batches in ((whole, [PAIRS]), (parts, [PAIRS[:2], PAIRS[2:]]), (again, [PAIRS])):
        for pairs in batches:
            Objective(model, guidance=guidance).train()(guided_batch(pairs))[0].backward()
    for (name, expected), one, other in zip(
        whole.named_parameters(), parts.parameters(), again.parameters(), strict=True
    ):
        if expected.grad is not None:
            assert torch.allclose(expected.grad, one.grad, atol=1e-5), name
            assert torch.allclose(expected.grad, other.grad, atol=1e-5), name
    guided, plain = gradients(build(n_decoder_layers=3), guidance=guidance), gradients(build(n_decoder_layers=3))
    name = "decoder.1.source_attention.query.weight"
    assert not torch.allclose(guided[1][name], plain[1][name], atol=1e-3)


@pytest.mark.parametrize("option", [{}, {"r_drop": 5.0}, {"simcut": 3.0}])
def test_guidance_adds_the_same_to_every_objective(lexicon, option):
    """Without dropout, R-Drop adds nothing."""
    model, batch = build(n_decoder_layers=3).train(), guided_batch(PAIRS)
    losses = []
    for guidance in (None, Guidance(lexicon, 0.5)):
        torch.manual_seed(3)
        losses.append(Objective(model, guidance=guidance, **option)(batch)[0].item())
    heads: list[torch.Tensor] = []
    model.decode(batch.tgt_in, model.encode(batch.src, batch.src_mask), batch.src_mask, first_heads=heads)
    assert losses[1] - losses[0] == pytest.approx(Guidance(lexicon, 0.5).loss(heads, batch).item(), rel=1e-3)


def test_dropped_layers_do_not_change_which_layers_are_taught(lexicon):
    model, batch = build(n_decoder_layers=3, layer_drop=0.5).train(), guided_batch(PAIRS)
    for seed in range(20):
        heads: list[torch.Tensor] = []
        torch.manual_seed(seed)
        memory = model.encode(batch.src, batch.src_mask)
        state = torch.random.get_rng_state()
        model.decode(batch.tgt_in, memory, batch.src_mask, first_heads=heads)
        torch.random.set_rng_state(state)
        used = model.layers_of_step(model.decoder)
        assert len(heads) == len([layer for layer in used if layer is not model.decoder[0]])


def test_the_gradient_draws_attention_to_what_the_lexicon_links(lexicon):
    """One small step along it raises the weights of the links."""
    batch, guidance = guided_batch(PAIRS), Guidance(lexicon, 1.0)
    model = build(n_decoder_layers=2).train()

    def of_links() -> torch.Tensor:
        heads: list[torch.Tensor] = []
        model.decode(batch.tgt_in, model.encode(batch.src, batch.src_mask), batch.src_mask, first_heads=heads)
        return guidance.loss(heads, batch)

    before = of_links()
    before.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= 0.01 * parameter.grad
        assert of_links() < before


class Text:
    """What `choose_pairs` asks of a corpus."""

    def __init__(self, lens):
        self.src_lens = self.tgt_lens = np.array(lens, np.int32) + 1

    def __len__(self):
        return len(self.src_lens)


GUIDED = ["training.guided_attention=0.5", "model.n_decoder_layers=2"]


def test_a_guided_training_resumes_as_if_it_had_not_stopped(corpus, tmp_path, mt):
    for name, limits in (("whole", [8]), ("parts", [3, 8])):
        for steps in limits:
            outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/{name}", *GUIDED, f"training.max_steps={steps}"))
            assert outcome.code == 0, outcome.err
            assert "A lexicon of " in outcome.err
    assert (tmp_path / "whole/model.safetensors").read_bytes() == (tmp_path / "parts/model.safetensors").read_bytes()


@pytest.mark.parametrize(("lens", "expected"), [([200, 9, 64, 65, 3], [1, 2, 4]), ([200, 90, 100, 3], [1, 3])])
def test_the_lexicon_is_learnt_from_short_pairs(lens, expected):
    """Up to 64 pieces without EOS; the shorter half, if that is longer."""
    text = Text(lens)
    assert choose_pairs(text).tolist() == expected


def test_the_lexicon_of_a_large_corpus_is_learnt_from_all_parts_of_it():
    chosen = choose_pairs(Text([31] * 1_000_000))
    assert len(chosen) * 32 * 32 <= MOST_COMBINATIONS < 2 * len(chosen) * 32 * 32
    assert chosen[0] == 0
    assert chosen[-1] > 990_000
    assert len(set(np.diff(chosen))) == 1


def test_a_training_from_before_the_lexicon_goes_on_without(corpus, tmp_path, mt):
    """Its configuration does not mention the lexicon, and the command leaves it open, too."""
    run = tmp_path / "run"
    settings = overrides(corpus, f"run_dir={run}", "model.n_decoder_layers=2")
    later = ["training.guided_attention=0", "training.lexicon_embeddings=false"]
    command = [one for one in settings if one not in later]
    assert mt(*command, "training.max_steps=2", *later).code == 0
    text = (run / "config.yaml").read_text(encoding="utf-8")
    for line in ("  guided_attention: 0.0\n", "  lexicon_embeddings: false\n"):
        assert line in text
        text = text.replace(line, "")
    (run / "config.yaml").write_text(text, encoding="utf-8")
    resumed = mt(*command, "training.max_steps=4")
    assert resumed.code == 0, resumed.err
    assert "Resuming from step 2" in resumed.err
    assert "lexicon" not in resumed.err
    assert "guided_attention: 0.0" in (run / "config.yaml").read_text(encoding="utf-8")


def test_guidance_is_refused_where_it_does_not_work(corpus, tmp_path, mt):
    for given, message in (
        ([*GUIDED, "training.strategy=fsdp"], "training.guided_attention does not work with training.strategy=fsdp"),
        (["training.guided_attention=1"], "training.guided_attention teaches the decoder layers after the first"),
        (["training.guided_attention=-1"], "training.guided_attention=-1.0 must be a number, 0 or above"),
    ):
        outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/run", *given))
        assert outcome.code == 2
        assert message in outcome.err
