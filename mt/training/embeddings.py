"""Initial embeddings from a lexicon: pieces that translate each other start with similar vectors.

Embeddings trained on much more text have a similar effect, which is largest for small corpora (Qi et al., "When and Why
are Pre-trained Word Embeddings Useful for Neural Machine Translation?", 2018). These need no other text.

Shapes: V_src and V_tgt pieces, D features.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from mt.model.transformer import Transformer
from mt.training.lexicon import Lexicon

N_ITERATIONS = 4
"""iterations of the randomised decomposition"""


@torch.no_grad()
def embed_lexicon(model: Transformer, lexicon: Lexicon, seed: int) -> None:
    """Turn the embeddings of a new model, and its projection, into the directions of `lexicon_vectors`.

    They keep their lengths. A piece of a shared table has the mean of its directions on both sides, weighted by how
    often it occurs there. Pieces that the lexicon lacks keep their vectors.
    """
    src_table, tgt_table = model.src_embedding.tokens.weight, model.tgt_embedding.tokens.weight
    src, tgt = (normalize(vectors) for vectors in lexicon_vectors(lexicon, model.config.d_model, seed))
    if src_table is tgt_table:
        src_share = lexicon.src_unigrams / (lexicon.src_unigrams + lexicon.tgt_unigrams).clamp(min=1e-30)
        src = tgt = normalize(torch.lerp(tgt, src, src_share.unsqueeze(1)))
    for table, directions in ((src_table, src), (tgt_table, tgt), (model.projection.weight, tgt)):
        known = directions.any(1)
        table[known] = directions[known].to(table) * table[known].norm(dim=1, keepdim=True)


def lexicon_vectors(lexicon: Lexicon, n_features: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return a vector for each source and each target piece, (V_src, D) and (V_tgt, D); zeros if the lexicon lacks it.

    The square roots of the probabilities of its translations describe a source piece. The vectors of sources are the
    leading singular vectors of these descriptions, each times the root of its singular value (Levy and Goldberg,
    "Neural Word Embedding as Implicit Matrix Factorization", 2014), turned at random, so that all features have about
    the same variance. The vector of a target piece is the sum of those of its translations, by their probabilities.
    """
    src, tgt = lexicon.keys // lexicon.n_tgt_pieces, lexicon.keys % lexicon.n_tgt_pieces
    n_src, n_tgt = len(lexicon.src_unigrams), lexicon.n_tgt_pieces
    descriptions = sparse(src, tgt, lexicon.tgt_given_src.sqrt(), (n_src, n_tgt))
    n_kept = min(n_features, n_src, n_tgt)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        left, values, _ = torch.svd_lowrank(descriptions, n_kept, N_ITERATIONS)
        rotation = torch.linalg.qr(torch.randn(n_features, n_features))[0]
    described = torch.zeros(n_src, 1).index_fill_(0, src, 1.0)  # other rows have noise from singular values near 0
    vectors = left * values.sqrt() @ rotation[:n_kept] * described
    return vectors, torch.sparse.mm(sparse(tgt, src, lexicon.src_given_tgt, (n_tgt, n_src)), vectors)


def sparse(rows: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return a sparse matrix."""
    return torch.sparse_coo_tensor(torch.stack([rows, columns]), values, shape, check_invariants=False)
