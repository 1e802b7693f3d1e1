"""Optional packages."""

import importlib.util
import warnings

from mt.errors import UserError


def require_package(name: str) -> None:
    """Raise `UserError` if a package of the extra `export` is not installed."""
    if importlib.util.find_spec(name) is None:
        raise UserError(f"The package {name} is needed for this: pip install 'mt[export]' (or pip install {name}).")


def quiet_transformers() -> None:
    """Turn off the progress bars of transformers, and its advice to install sacremoses."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
