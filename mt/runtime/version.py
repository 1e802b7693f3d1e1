"""The version of this program and of what its results depend on."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

from mt import __version__


def describe_version() -> str:
    """Return the version, the commit of a checkout, and the versions of torch and Python."""
    commit = find_commit(Path(__file__).parents[2])
    own = f"{__version__} (commit {commit})" if commit else __version__
    return f"mt {own}, torch {metadata.version('torch')}, Python {platform.python_version()}"


def find_commit(root: Path) -> str:
    """Return the commit of a checkout, marked if it has changes; an empty string for an installed package."""
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no git
        return ""
