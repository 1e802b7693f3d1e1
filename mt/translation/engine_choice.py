"""The choice of the engine that translates. torch is not imported unless a model has to be converted."""

import importlib.util
import logging
from collections.abc import Sequence

from mt.config.choices import EngineName
from mt.errors import UserError
from mt.translation.engine import Engine
from mt.translation.source import Source

log = logging.getLogger(__name__)
FLOAT32 = "float32"


def choose_engine(sources: Sequence[Source], wanted: EngineName, quantization: str) -> Engine | None:
    """Return CTranslate2 if it is wanted, or, with `auto`, if it can be used; None: our own search.

    Raises:
        UserError: CTranslate2 is wanted, but cannot be used.
    """
    if wanted is EngineName.torch:
        return None
    reason = obstacle(sources)
    if reason is None:
        from mt.translation.ctranslate2_engine import missing_option, open_ctranslate2

        if key := missing_option(sources[0].config.search):
            reason = f"it does not support search.{key}."
    if reason is None:
        try:
            engine = open_ctranslate2(sources[0], quantization)
            log.debug(
                "Engine: CTranslate2 in %s, and our own search for sentences whose hypotheses contain a loop.",
                quantization,
            )
            return engine
        except OSError as error:
            reason = f"the converted model cannot be saved ({error})."
    if wanted is EngineName.ctranslate2:
        raise UserError(f"--engine ctranslate2: {reason}")
    log.debug("Engine: our own search in torch: %s", reason)
    return None


def obstacle(sources: Sequence[Source]) -> str | None:
    """Return why models cannot be used with CTranslate2; None if they can."""
    if importlib.util.find_spec("ctranslate2") is None:
        return "it needs the package ctranslate2: pip install ctranslate2."
    if len(sources) > 1:
        return "it translates with one model: omit --ensemble."
    if sources[0].device not in ("auto", "cpu"):
        return "it is for the CPU here: omit --device."
    import ctranslate2

    if sources[0].device == "auto" and ctranslate2.get_cuda_device_count():
        return "it is for the CPU here, and there is a GPU: add --device cpu."
    return None
