"""mt: train translation models and translate with them.

from mt import Translator

translator = Translator.load("runs/demo")
translator.translate(["我昨天买了三本书。"])
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mt.config.search import SearchConfig
    from mt.translation.result import Translation
    from mt.translation.translator import Translator

__version__ = "0.1.0"
__all__ = ["SearchConfig", "Translation", "Translator"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import mt` does not import torch."""
    if name not in __all__:
        raise AttributeError(f"module 'mt' has no attribute '{name}'")
    from importlib import import_module

    module = {
        "SearchConfig": "config.search",
        "Translation": "translation.result",
        "Translator": "translation.translator",
    }[name]
    return getattr(import_module(f"mt.{module}"), name)
