"""The options of several commands that change the search."""

from __future__ import annotations

import argparse

from mt.errors import UserError


def search_overrides(options: argparse.Namespace) -> list[str]:
    """The options that change the search, as configuration overrides."""
    overrides: list[str] = list(options.set)
    for override in overrides:
        if not override.startswith("search."):
            raise UserError(f"--set {override}: only search.KEY=VALUE can be set here.")
    if options.beam_size is not None:
        overrides.append(f"search.beam_size={options.beam_size}")
    return overrides
