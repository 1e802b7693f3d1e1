"""Checks of configured values, and of files. Every message names the key and says what would be right."""

from math import inf
from pathlib import Path

from mt.errors import UserError


def require(condition: bool, message: str) -> None:
    """Raise `UserError(message)` unless `condition` holds."""
    if not condition:
        raise UserError(message)


def require_positive(section: str, config: object, *names: str) -> None:
    """Raise `UserError` for the first of the named fields that is set but not a finite number above 0."""
    for name in names:
        value = getattr(config, name)
        require(value is None or 0 < value < inf, f"{section}.{name}={value} must be a number above 0.")


def require_not_negative(section: str, config: object, *names: str) -> None:
    """Raise `UserError` for the first of the named fields that is set and negative or not finite."""
    for name in names:
        value = getattr(config, name)
        require(value is None or 0 <= value < inf, f"{section}.{name}={value} must be a number, 0 or above.")


def require_fraction(section: str, config: object, *names: str) -> None:
    """Raise `UserError` for the first of the named fields that is set and outside [0, 1)."""
    for name in names:
        value = getattr(config, name)
        require(value is None or 0 <= value < 1, f"{section}.{name}={value} must be at least 0 and below 1.")


def check_file(path: Path, max_bytes: int | None = None) -> None:
    """Raise `UserError` unless `path` is a regular file (no pipe or device) of at most `max_bytes` bytes."""
    if not path.is_file():
        raise UserError(f"{path} is missing, or not a regular file.")
    if max_bytes is not None and path.stat().st_size > max_bytes:
        raise UserError(f"{path} is too large: {path.stat().st_size:,} bytes, at most {max_bytes:,} are expected.")
