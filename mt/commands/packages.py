"""Packages that only some users need."""

from __future__ import annotations

import importlib.util

from mt.errors import UserError


def require_package(name: str) -> None:
    """Raise `UserError` where a package of the extra `export` is missing."""
    if importlib.util.find_spec(name) is None:
        raise UserError(f"The package {name} is needed for this: pip install 'mt[export]' (or pip install {name}).")
