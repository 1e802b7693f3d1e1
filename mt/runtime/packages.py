"""Optional packages, and the folders of data that come with the program."""

import importlib.util
from pathlib import Path

from mt.errors import UserError


def require_package(module: str, needed_by: str, package: str | None = None) -> None:
    """Raise `UserError` if a module is not installed; `package` is its name for pip if that differs."""
    if importlib.util.find_spec(module) is None:
        package = package or module
        raise UserError(f"{needed_by} needs the package {package}: pip install {package}.")


def packaged(name: str, in_checkout: str) -> Path:
    """Return a folder that is installed as the package `name`, or in a checkout lies at `in_checkout`."""
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(__file__).parents[2] / in_checkout
