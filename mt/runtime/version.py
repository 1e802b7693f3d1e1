"""The version of this program and of what its results depend on."""

from __future__ import annotations

import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from mt import __version__


def describe_version() -> str:
    """Return the version, the commit if it is known, and the versions of torch and Python."""
    commit = find_commit()
    own = f"{__version__} ({commit})" if commit else __version__
    try:
        torch = metadata.version("torch")
    except metadata.PackageNotFoundError:
        torch = "not installed"
    return f"mt {own}, torch {torch}, Python {platform.python_version()}"


def find_commit() -> str | None:
    """Return the commit of a checkout, or of an installation from a repository (PEP 610); None for other wheels."""
    root = Path(__file__).parents[2]
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude", "*"]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return None
    try:
        origin = json.loads(metadata.distribution("mt").read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        return None
    commit = origin.get("vcs_info", {}).get("commit_id")
    return commit[:7] if commit else None
