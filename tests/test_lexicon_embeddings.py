"""Embeddings that begin with a lexicon of the training text."""

import numpy as np
import pytest
import torch
from conftest import WORDS, overrides
from safetensors.torch import load_file

from mt.config.schema import ModelConfig
from mt.model.transformer import Transformer
from mt.text.tokenizer import UNK, load_tokenizer
from mt.training.embeddings import embed_lexicon, lexicon_vectors
from mt.training.lexicon import Lexicon
from mt.training.lexicon_learning import learn_lexicon

N_SRC, N_TGT = 11, 12
PAIRS = [([4, 5, 6], [7, 8]), ([4, 5], [7, 9]), ([5], [9]), ([6, 4], [8, 7]), ([4, 4, 6, 5], [7, 10, 8, 8, 9])]
LEXICON = ["training.lexicon_embeddings=true"]


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return learn_lexicon(PAIRS, N_SRC, N_TGT)


def build(joint=False, **changes) -> Transformer:
    torch.manual_seed(1)
    sizes = dict(d_model=16, d_ff=32, n_heads=2, n_encoder_layers=1, n_decoder_layers=1)
    return Transformer(ModelConfig(**{**sizes, **changes}), N_TGT if joint else N_SRC, N_TGT, joint)


def table(lexicon, probabilities):
    """Return the probabilities of all entries as an array, (V_src, V_tgt)."""
    found = np.zeros((N_SRC, N_TGT))
    found.flat[lexicon.keys.numpy()] = probabilities.numpy()
    return found


@pytest.mark.parametrize("n_features", [8, 16])
def test_products_of_vectors_are_those_of_their_definition(lexicon, n_features):
    """With U S Vᵀ for the descriptions of sources, vectors U √S have the products U S Uᵀ, however they are turned."""
    left, values, _ = np.linalg.svd(np.sqrt(table(lexicon, lexicon.tgt_given_src)))
    assert (values > 1e-6).sum() <= n_features  # nothing is left out
    products = left * values @ left.T
    back = table(lexicon, lexicon.src_given_tgt).T
    src, tgt = (vectors.double().numpy() for vectors in lexicon_vectors(lexicon, n_features, seed=3))
    assert src.shape == (N_SRC, n_features)
    assert tgt.shape == (N_TGT, n_features)
    assert np.allclose(src @ src.T, products, atol=1e-5)
    assert np.allclose(tgt @ src.T, back @ products, atol=1e-5)
    assert np.allclose(tgt @ tgt.T, back @ products @ back.T, atol=1e-5)


def test_the_features_that_are_kept_matter_most(lexicon):
    values = np.linalg.svd(np.sqrt(table(lexicon, lexicon.tgt_given_src)), compute_uv=False)
    src, _ = lexicon_vectors(lexicon, 2, seed=3)
    assert values[:2].sum() * 0.95 < src.square().sum() < values[:2].sum() * 1.001


def test_all_features_have_about_the_same_variance(lexicon):
    """The largest singular value does not have a feature of its own."""
    shares = [lexicon_vectors(lexicon, 8, seed)[0].square().sum(0) for seed in range(50)]
    mean = torch.stack(shares).mean(0)
    assert mean.max() < 2 * mean.mean()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_separate_tables_turn_and_keep_their_lengths(lexicon, tied, seed):
    model, plain = build(tie_embeddings=tied), build(tie_embeddings=tied)
    before = torch.random.get_rng_state()
    embed_lexicon(model, lexicon, seed)
    assert torch.equal(before, torch.random.get_rng_state())
    src, tgt = lexicon_vectors(lexicon, 16, seed)
    tables = {"src_embedding.tokens.weight": (src, [4, 5, 6])}
    tables |= dict.fromkeys(("tgt_embedding.tokens.weight", "projection.weight"), (tgt, [7, 8, 9, 10]))
    others = plain.state_dict()
    for name, found in model.state_dict().items():
        vectors, known = tables.get(name, (None, []))
        lacking = [i for i in range(len(found)) if i not in known]
        assert torch.equal(found[lacking], others[name][lacking]), name
        if vectors is not None:
            assert torch.allclose(found.norm(dim=1), others[name].norm(dim=1))
            assert torch.allclose(torch.cosine_similarity(found, vectors)[known], torch.tensor(1.0))


def test_a_piece_of_both_languages_has_the_mean_of_its_directions():
    """Piece 5 is three times in sources, and once in targets."""
    lexicon = learn_lexicon([([5, 4], [7]), ([5], [8]), ([5, 6], [8, 5])], N_TGT, N_TGT)
    model = build(joint=True)
    embed_lexicon(model, lexicon, seed=3)
    src, tgt = lexicon_vectors(lexicon, 16, seed=3)
    shares = lexicon.src_unigrams[5].item(), lexicon.tgt_unigrams[5].item()
    assert shares == pytest.approx((3 / 5, 1 / 4))
    mean = shares[0] * src[5] / src[5].norm() + shares[1] * tgt[5] / tgt[5].norm()
    found = model.src_embedding.tokens.weight
    assert found is model.projection.weight
    assert torch.cosine_similarity(found[5], mean, dim=0).item() == pytest.approx(1)
    assert torch.cosine_similarity(found[6], src[6], dim=0).item() == pytest.approx(1)


@pytest.mark.parametrize("vocabulary", [[], ["tokenizer.joint=false", "tokenizer.vocab_size=290"]])
def test_a_training_resumes_as_if_it_had_not_stopped(corpus, tmp_path, mt, vocabulary):
    """Its lexicon is learnt once."""
    started = []
    for name, limits in (("whole", [6]), ("parts", [3, 6])):
        for steps in limits:
            settings = [*LEXICON, *vocabulary, f"training.max_steps={steps}"]
            outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/{name}", *settings))
            assert outcome.code == 0, outcome.err
            started.append("A lexicon of " in outcome.err)
    assert started == [True, True, False]
    whole, parts = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())


def test_translations_are_similar_when_training_begins(corpus, tmp_path, mt):
    """The translation of a word of `toy_pairs` is the same word in capitals."""
    similar = {}
    for given in ("true", "false"):
        run = tmp_path / given
        settings = ["tokenizer.vocab_size=340", "training.max_steps=1", "optim.lr=1e-9"]
        assert mt(*overrides(corpus, f"run_dir={run}", *settings, f"training.lexicon_embeddings={given}")).code == 0
        weights = load_file(run / "model.safetensors")["src_embedding.tokens.weight"]
        ids = load_tokenizer([run / "tokenizer.model"]).tgt.piece_to_id
        words = [[ids(f"▁{word}"), ids(f"▁{word.upper()}")] for word in WORDS]
        pairs = torch.tensor([pair for pair in words if UNK not in pair])
        assert len(pairs) > 5
        similar[given] = torch.cosine_similarity(weights[pairs[:, 0]], weights[pairs[:, 1]]).mean().item()
    assert similar["true"] > 0.7
    assert similar["false"] < 0.3


def test_lexicon_embeddings_are_refused_where_others_exist(corpus, tmp_path, mt):
    outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/run", *LEXICON, f"training.init_from={tmp_path}/other"))
    assert outcome.code == 2
    assert "training.lexicon_embeddings=true replaces the embeddings of training.init_from" in outcome.err
