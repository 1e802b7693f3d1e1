"""SHA-256 sums of the files in a folder, by which damage is found: `SHA256SUMS`, which `sha256sum -c` reads, too."""

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mt.config.checks import check_file
from mt.errors import UserError
from mt.runtime.files import replacing, write_text

log = logging.getLogger(__name__)
SUMS = "SHA256SUMS"
MAX_BYTES = 1 << 20
SUFFIXES = (".safetensors", ".model", ".json", ".yaml")
LINE = re.compile(r"([0-9a-f]{64}) [ *]([^/]+)")


def digest(path: Path) -> str:
    """Return the SHA-256 sum of a file, in hexadecimal digits."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            total.update(chunk)
    return total.hexdigest()


def read_sums(folder: Path) -> dict[str, list[str]]:
    """Return the recorded sums of each file in a folder, by its name.

    While a file is replaced there are two, so that the folder is sound at every moment.
    """
    sums: dict[str, list[str]] = {}
    path = folder / SUMS
    if not path.exists():
        return sums
    check_file(path, MAX_BYTES)
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        found = LINE.fullmatch(line)
        if found is None:
            raise UserError(f"{path} is damaged. Restore it, or delete it if all other files are sound.")
        sums.setdefault(found[2], []).append(found[1])
    return sums


def write_sums(folder: Path, sums: dict[str, list[str]]) -> None:
    """Write the sums of the files that are in a folder, or about to be."""
    lines = [f"{value}  {name}\n" for name, values in sorted(sums.items()) for value in values]
    write_text(folder / SUMS, "".join(lines))


@contextmanager
def replacing_recorded(path: Path) -> Iterator[Path]:
    """Replace a file as `replacing` does, and record its sum in its folder."""
    with replacing(path) as temporary:
        yield temporary
        new = digest(temporary)
        recorded = read_sums(path.parent) or sums_of_earlier_version(path.parent)
        sums = {name: values for name, values in recorded.items() if (path.parent / name).exists()}
        sums[path.name] = [*(value for value in sums.get(path.name, []) if value != new), new]
        write_sums(path.parent, sums)
    if len(sums[path.name]) > 1:
        write_sums(path.parent, sums | {path.name: [new]})


def sums_of_earlier_version(folder: Path) -> dict[str, list[str]]:
    """Return the sums of the weights, tokenizers and scores in a folder that was made before there were sums."""
    return {path.name: [digest(path)] for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file()}


def write_recorded(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all, and record its sum in its folder."""
    with replacing_recorded(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def record_sum(path: Path) -> None:
    """Record the sum of a file that was written piece by piece, and is complete."""
    recorded = read_sums(path.parent) or sums_of_earlier_version(path.parent)
    write_sums(path.parent, recorded | {path.name: [digest(path)]})


def forget_sum(path: Path) -> None:
    """Take back `record_sum`, as the file is about to change."""
    sums = read_sums(path.parent)
    if sums.pop(path.name, None) is not None:
        write_sums(path.parent, sums)


def record_files(folder: Path) -> None:
    """Record the sums of all files in a folder."""
    write_sums(folder, {path.name: [digest(path)] for path in folder.iterdir() if path.is_file() and path.name != SUMS})


def matches(path: Path) -> bool:
    """Return whether a file has the sum that is recorded for it, or nothing is recorded in its folder."""
    sums = read_sums(path.parent)
    return not sums or digest(path) in sums.get(path.name, [])


def check_sum(path: Path) -> None:
    """Raise `UserError` if a file is there, but is not the one that was recorded."""
    if path.is_file() and not matches(path):
        raise UserError(f"{path} is damaged, or {path.with_name(SUMS)} is: the sums differ.")


def check_files(folder: Path, exempt: Sequence[Path] = ()) -> None:
    """Raise `UserError` if one of the recorded files in a folder is missing or damaged, but for those that may be."""
    for path in (folder / name for name in read_sums(folder)):
        if path in exempt:
            continue
        if not path.is_file():
            raise UserError(f"{path} is missing, or its name in {folder / SUMS} is damaged.")
        check_sum(path)


def warn_if_changed(path: Path) -> None:
    """Warn if a file that users may edit is not the one that was recorded."""
    if path.is_file() and not matches(path):
        log.warning("%s has changed since mt wrote it. If you have not edited it, it is damaged.", path)


def warn_if_damaged(path: Path) -> None:
    """Warn if a file that grows has been completed, and is not as it was then."""
    if path.name in read_sums(path.parent):
        warn_if_changed(path)
        if not path.exists():
            log.warning("%s is missing.", path)
