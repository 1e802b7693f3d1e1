"""COMET, a trained metric (Rei et al., 2020), by its own package."""

from collections.abc import Sequence
from typing import Any

import torch

from mt.errors import UserError
from mt.runtime.packages import require_package
from mt.text.metrics import Score


class Comet:
    """Scorer of translations by their sources and references."""

    def __init__(self, name: str) -> None:
        """Load a model of the Hugging Face hub, or the checkpoint at a path."""
        require_package("comet", "--metrics COMET", "unbabel-comet")
        import comet

        self.name = name
        try:
            path = name if name.endswith(".ckpt") else comet.download_model(name)
            self.model: Any = comet.load_from_checkpoint(path)
        except Exception as error:  # network, hub or name: the package raises many kinds
            reason = str(error).splitlines()[0] if str(error) else repr(error)
            raise UserError(f"--comet-model {name} could not be loaded ({reason}).") from error

    def score(self, sources: Sequence[str], translations: Sequence[str], references: Sequence[str]) -> Score:
        """Return the mean over all sentences, times 100 as usual in tables."""
        rows = [
            {"src": src, "mt": translation, "ref": reference}
            for src, translation, reference in zip(sources, translations, references, strict=True)
        ]
        prediction = self.model.predict(rows, batch_size=16, gpus=int(torch.cuda.is_available()), progress_bar=False)
        return Score("COMET", 100 * float(prediction.system_score), f"model:{self.name}")
