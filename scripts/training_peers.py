"""The training loops that `bench_training.py` times: that of mt, and those of other toolkits at the same model size.

A loop is built once and then makes one update at a time. The model is the same everywhere: the sizes of `Task`, one
matrix for both embeddings and the projection, the same dropout on residuals, attention and activations, label
smoothing 0.1 and Adam.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

SMOOTHING = 0.1


@dataclass(frozen=True)
class Task:
    """The model and the data of every loop, as plain data that can be sent to another process."""

    pairs: list[tuple[list[int], list[int]]]
    run: Path
    """a run folder of mt with its tokenizer and configuration"""
    vocab_size: int
    pad_id: int
    bos_id: int
    eos_id: int
    max_tokens: int
    d_model: int = 256
    d_ff: int = 1024
    n_heads: int = 4
    n_layers: int = 4
    dropout: float = 0.1
    bf16: bool = False
    device: str = "cpu"


@dataclass
class Step:
    """One update: what it processed, and how long that took."""

    n_src_tokens: int
    n_tgt_tokens: int
    """real tokens, end marks included"""
    n_padded: int
    """positions on both sides, padding included"""
    loss: float
    seconds: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)
    """seconds of forward, backward, optimizer and data"""


class Loop(Protocol):
    """The training loop of a toolkit."""

    model: Any
    """a torch module"""

    def step(self, phase: Phases) -> Step:
        """Make one update and time its parts with `phase`."""


class Phases:
    """A sum of seconds for each named part of a step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def timed_step(loop: Loop) -> Step:
    """Make a step and time it."""
    phases = Phases()
    start = time.perf_counter()
    step = loop.step(phases)
    step.seconds = time.perf_counter() - start
    step.phases = phases.seconds
    return step


class Mt:
    """The objects that `mt train` builds, called in the order of its loop."""

    def __init__(self, task: Task) -> None:
        from mt.commands.train import set_up
        from mt.runs.layout import RunLayout
        from mt.runs.run_files import load_run_config
        from mt.runtime.distributed import ALONE

        self.trainer = set_up(load_run_config(RunLayout(task.run)), ALONE).trainer
        self.model = self.trainer.model
        self.n_steps = 0

    def step(self, phase: Phases) -> Step:
        trainer = self.trainer
        trainer.model.train()
        with phase("data"):
            batch = trainer.loader.next_batch()
        with phase("forward"):
            loss_sum, nll_sum = trainer.learner.shared(batch.to(trainer.device))
        with phase("backward"):
            loss_sum.backward()
        with phase("optimizer"):
            self.n_steps += 1
            trainer.learner.update.apply(trainer.model, batch.n_tgt_tokens, self.n_steps)
        return Step(batch.n_src_tokens, batch.n_tgt_tokens, batch.n_padded, float(nll_sum) / batch.n_tgt_tokens)


def padded(rows: list[list[int]], pad_id: int) -> Any:
    """Return rows of ids as a tensor."""
    import torch

    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=pad_id)


class PlainTransformer:
    """`torch.nn.Transformer` in the loop of most tutorials: 64 random sentences per batch, padded, with Adam."""

    def __init__(self, task: Task) -> None:
        import torch
        from torch import nn

        class Model(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.embedding = nn.Embedding(task.vocab_size, task.d_model, padding_idx=task.pad_id)
                self.positions = nn.Embedding(1024, task.d_model)
                self.dropout = nn.Dropout(task.dropout)
                self.transformer = nn.Transformer(
                    task.d_model, task.n_heads, task.n_layers, task.n_layers, task.d_ff, task.dropout, batch_first=True
                )
                self.projection = nn.Linear(task.d_model, task.vocab_size, bias=False)
                self.projection.weight = self.embedding.weight

            def embed(self, ids: Any) -> Any:
                scaled = self.embedding(ids) * task.d_model**0.5
                return self.dropout(scaled + self.positions(torch.arange(ids.size(1), device=ids.device)))

            def forward(self, src: Any, tgt: Any) -> Any:
                causal = nn.Transformer.generate_square_subsequent_mask(tgt.size(1), tgt.device, torch.bool)
                src_padding = src == task.pad_id
                out = self.transformer(
                    self.embed(src), self.embed(tgt), tgt_mask=causal, src_key_padding_mask=src_padding,
                    tgt_key_padding_mask=tgt == task.pad_id, memory_key_padding_mask=src_padding,
                )  # fmt: skip
                return self.projection(out)

        self.task = task
        self.model = Model().to(task.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9)
        self.criterion = nn.CrossEntropyLoss(ignore_index=task.pad_id, label_smoothing=SMOOTHING)
        self.random = random.Random(1)

    def batch(self) -> tuple[list[list[int]], list[list[int]]]:
        pairs = self.random.sample(self.task.pairs, 64)
        return [src for src, _ in pairs], [tgt for _, tgt in pairs]

    def loss(self, src: Any, tgt: Any) -> Any:
        logits = self.model(src, tgt[:, :-1])
        return self.criterion(logits.flatten(0, 1), tgt[:, 1:].flatten())

    def step(self, phase: Phases) -> Step:
        import torch

        task = self.task
        self.model.train()
        with phase("data"):
            sources, targets = self.batch()
            src = padded([[*row, task.eos_id] for row in sources], task.pad_id)
            tgt = padded([[task.bos_id, *row, task.eos_id] for row in targets], task.pad_id)
            src, tgt = src.to(task.device), tgt.to(task.device)
        kind = torch.device(task.device).type
        with phase("forward"), torch.autocast(kind, torch.bfloat16) if task.bf16 else nullcontext():
            loss = self.loss(src, tgt)
        with phase("backward"):
            loss.backward()
        with phase("optimizer"):
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
        n_src = sum(len(row) + 1 for row in sources)
        n_tgt = sum(len(row) + 1 for row in targets)
        return Step(n_src, n_tgt, src.numel() + tgt.numel() - len(tgt), loss.item())


class SortedBatches:
    """The batches of mt, for a peer that has no batching of its own; this is to its advantage."""

    def __init__(self, task: Task) -> None:
        import numpy as np

        from mt.data.sampler import Epoch

        lens = [np.array([len(pair[side]) + 1 for pair in task.pairs]) for side in (0, 1)]
        epoch = Epoch(lens[0], lens[1], task.max_tokens, np.arange(len(task.pairs)), seed=1, number=0)
        self.plan = [batch for pool in range(epoch.n_pools) for batch in epoch.batches(pool)]
        self.pairs = task.pairs
        self.cursor = 0

    def next(self) -> tuple[list[list[int]], list[list[int]]]:
        """Return sources and targets of the next batch."""
        pairs = [self.pairs[i] for i in self.plan[self.cursor % len(self.plan)]]
        self.cursor += 1
        return [src for src, _ in pairs], [tgt for _, tgt in pairs]


class HuggingFace(PlainTransformer):
    """MarianMT of Hugging Face transformers in a plain loop, on batches sorted by length."""

    def __init__(self, task: Task) -> None:
        import torch
        from transformers import MarianConfig, MarianMTModel

        config = MarianConfig(
            vocab_size=task.vocab_size, d_model=task.d_model, max_position_embeddings=1024,
            encoder_layers=task.n_layers, decoder_layers=task.n_layers,
            encoder_attention_heads=task.n_heads, decoder_attention_heads=task.n_heads,
            encoder_ffn_dim=task.d_ff, decoder_ffn_dim=task.d_ff, activation_function="relu", scale_embedding=True,
            dropout=task.dropout, attention_dropout=task.dropout, activation_dropout=task.dropout,
            pad_token_id=task.pad_id, eos_token_id=task.eos_id, decoder_start_token_id=task.bos_id,
            forced_eos_token_id=None, share_encoder_decoder_embeddings=True, tie_word_embeddings=True,
        )  # fmt: skip
        self.task = task
        self.model = MarianMTModel(config).to(task.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9)
        self.criterion = torch.nn.CrossEntropyLoss(ignore_index=task.pad_id, label_smoothing=SMOOTHING)
        self.batches = SortedBatches(task)

    def batch(self) -> tuple[list[list[int]], list[list[int]]]:
        return self.batches.next()

    def loss(self, src: Any, tgt: Any) -> Any:
        logits = self.model(
            input_ids=src, attention_mask=(src != self.task.pad_id).long(), decoder_input_ids=tgt[:, :-1]
        ).logits
        return self.criterion(logits.flatten(0, 1), tgt[:, 1:].flatten())


class JoeyNmt:
    """Model, batch and loss of JoeyNMT, on its own token batches: random sentences, padded to the longest."""

    def __init__(self, task: Task) -> None:
        import torch
        from joeynmt.model import build_model
        from joeynmt.vocabulary import Vocabulary

        specials = SimpleNamespace(
            unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>", sep_token=None,
            unk_id=0, pad_id=1, bos_id=2, eos_id=3, lang_tags=[],
        )  # fmt: skip
        vocabulary = Vocabulary([str(i) for i in range(task.vocab_size - 4)], specials)
        side = {
            "type": "transformer", "num_layers": task.n_layers, "num_heads": task.n_heads, "hidden_size": task.d_model,
            "ff_size": task.d_ff, "dropout": task.dropout, "layer_norm": "pre", "activation": "relu",
            "embeddings": {"embedding_dim": task.d_model, "scale": True, "dropout": task.dropout},
        }  # fmt: skip
        sides = {"encoder": dict(side), "decoder": dict(side)}
        self.model = build_model(
            {**sides, "tied_embeddings": True, "tied_softmax": True, "initializer": "xavier_uniform"},
            vocabulary, vocabulary,
        )  # fmt: skip
        self.model.loss_function = ("crossentropy", SMOOTHING)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4, betas=(0.9, 0.98))
        self.task = task
        self.random = random.Random(1)
        self.shuffle()

    def shuffle(self) -> None:
        """Start an epoch."""
        self.order = list(range(len(self.task.pairs)))
        self.random.shuffle(self.order)

    def indices(self) -> list[int]:
        """Draw random pairs until rows x longest reaches the budget, as JoeyNMT's TokenBatchSampler does."""
        chosen, longest = [], 0
        while longest * len(chosen) < self.task.max_tokens:
            if not self.order:
                self.shuffle()
            chosen.append(self.order.pop())
            longest = max(longest, *(len(side) + 1 for side in self.task.pairs[chosen[-1]]))
        return chosen

    def step(self, phase: Phases) -> Step:
        import torch
        from joeynmt.batch import Batch

        self.model.train()
        with phase("data"):
            pairs = [self.task.pairs[i] for i in self.indices()]
            # JoeyNMT's special ids are fixed at 0 to 3; the id of a word does not matter here.
            pairs = [tuple([4 + i % (self.task.vocab_size - 4) for i in side] for side in pair) for pair in pairs]
            src = padded([[*row, 3] for row, _ in pairs], 1)
            tgt = padded([[2, *row, 3] for _, row in pairs], 1)
            lengths = torch.tensor([len(row) + 1 for row, _ in pairs])
            batch = Batch(
                src=src, src_length=lengths, src_prompt_mask=None, trg=tgt, trg_prompt_mask=None,
                indices=torch.arange(len(pairs)), device=torch.device("cpu"), pad_index=1, eos_index=3,
            )  # fmt: skip
        autocast = torch.autocast("cpu", torch.bfloat16) if self.task.bf16 else nullcontext()
        with phase("forward"), autocast:
            loss = self.model(return_type="loss", **vars(batch))[0] / batch.ntokens
        with phase("backward"):
            loss.backward()
        with phase("optimizer"):
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.model.zero_grad()
        return Step(int(lengths.sum()), batch.ntokens, src.numel() + batch.trg.numel(), loss.item())


LOOPS: dict[str, tuple[str | None, type]] = {
    "mt": (None, Mt),
    "torch.nn.Transformer": (None, PlainTransformer),
    "Hugging Face": ("transformers", HuggingFace),
    "JoeyNMT": ("joeynmt", JoeyNmt),
}
"""name in the table -> the package that it needs, and its loop"""
