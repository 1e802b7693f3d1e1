"""A batch of padded rows."""

import torch
from torch import Tensor


class Batch:
    """Both sides of a batch; the model takes its attributes as keyword arguments."""

    def __init__(
        self,
        src: Tensor,
        src_length: Tensor,
        src_prompt_mask: Tensor | None,
        trg: Tensor | None,
        trg_prompt_mask: Tensor | None,
        indices: Tensor,
        device: torch.device,
        pad_index: int,
        eos_index: int,
        is_train: bool = True,
    ) -> None:
        self.src, self.src_length = src, src_length
        self.src_mask = (src != pad_index).unsqueeze(1)
        self.src_prompt_mask, self.trg_prompt_mask = src_prompt_mask, trg_prompt_mask
        self.indices, self.nseqs = indices, len(src)
        self.has_trg, self.is_train = trg is not None, is_train
        assert trg is not None
        assert (trg == eos_index).any(1).all()
        self.trg_input, self.trg = trg[:, :-1], trg[:, 1:]
        self.trg_mask = (self.trg != pad_index).unsqueeze(1)
        self.ntokens = int((self.trg != pad_index).sum())
