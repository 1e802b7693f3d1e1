"""Optional packages."""

import importlib.util

from mt.errors import UserError


def require_package(module: str, needed_by: str, package: str | None = None) -> None:
    """Raise `UserError` if a module is not installed; `package` is its name for pip if that differs."""
    if importlib.util.find_spec(module) is None:
        package = package or module
        raise UserError(f"{needed_by} needs the package {package}: pip install {package}.")
