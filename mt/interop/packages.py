"""Packages that only some users need."""

from __future__ import annotations

import importlib.util
import warnings

from mt.errors import UserError


def require_package(name: str) -> None:
    """Raise `UserError` where a package of the extra `export` is missing."""
    if importlib.util.find_spec(name) is None:
        raise UserError(f"The package {name} is needed for this: pip install 'mt[export]' (or pip install {name}).")


def quiet_transformers() -> None:
    """Leave out its progress bars, and its advice to install what normalises quotation marks."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
