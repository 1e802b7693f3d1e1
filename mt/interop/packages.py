"""Optional packages."""

import importlib.util

from mt.errors import UserError


def require_package(name: str) -> None:
    """Raise `UserError` if a package of the extra `export` is not installed."""
    if importlib.util.find_spec(name) is None:
        raise UserError(f"The package {name} is needed for this: pip install 'mt[export]' (or pip install {name}).")
