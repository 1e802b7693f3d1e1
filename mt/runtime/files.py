"""Files: written whole or not at all, and read line by line, compressed or not."""

import codecs
import lzma
import os
import secrets
import shutil
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import fsspec

from mt.errors import UserError

ICONV_NAMES = {
    "euc_jis_2004": "EUC-JP", "euc_jisx0213": "EUC-JP", "euc_jp": "EUC-JP", "shift_jis": "CP932",
    "shift_jis_2004": "CP932", "shift_jisx0213": "CP932", "euc_kr": "EUC-KR", "big5hkscs": "BIG5-HKSCS",
}  # fmt: skip
"""names of encodings that iconv calls otherwise than Python"""
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""bytes with which a text in UTF-16 begins"""
ASIDE = ".replaced"
"""suffix of a folder for the moment in which another takes its place"""
COMPRESSIONS = (".gz", ".bz2", ".xz")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path for a file or folder, and rename it to `path` when the block succeeds.

    If the block fails, or a file would replace a folder, `path` is left as it was and the temporary is deleted.
    """
    path = Path(os.path.abspath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")  # no link can be waiting at such a name
    try:
        yield temporary
        for file in [temporary, *temporary.rglob("*")] if temporary.is_dir() else [temporary]:
            sync(file)
        aside = path.with_name(f".{path.name}{ASIDE}")
        if path.is_dir() and temporary.is_dir():  # rename cannot replace a folder that is not empty
            remove(aside)
            path.rename(aside)
        temporary.rename(path)
        with suppress(OSError):  # it is there, and not every file system can do this
            sync(path.parent)
        remove(aside)
    finally:
        remove(temporary)


def sync(path: Path) -> None:
    """Wait until the content of a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Delete a file, or a folder with everything in it, if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def clear_leftovers(folder: Path) -> None:
    """Clean up after a killed process: delete temporary files, and put back a folder that was about to be replaced."""
    for aside in folder.rglob(f".*{ASIDE}"):
        original = aside.with_name(aside.name[1 : -len(ASIDE)])
        if original.exists():
            remove(aside)
        else:
            aside.rename(original)
    for temporary in folder.rglob(".*.tmp"):
        remove(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_output(path: Path, text: str) -> None:
    """Write text to a file that the user has named; a link, pipe or device, such as /dev/stdout, is kept."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    else:
        write_text(path, text)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def plain_suffix(path: Path) -> str:
    """Return a file's suffix without that of a compression: `.tsv` for `a.tsv.gz`."""
    return path.with_suffix("").suffix if path.suffix in COMPRESSIONS else path.suffix


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file without their ends; only a line feed ends a line.

    Raises:
        UserError: the compressed file is damaged, or a line is not UTF-8.
    """
    try:
        with open_binary(path) as stream:
            yield from decode_lines(stream, str(path))
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:  # a truncated or damaged compressed file
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"{path} is damaged: {error}.") from error


def open_binary(path: Path) -> AbstractContextManager[BinaryIO]:
    """Open a file, compressed or not, or a pipe."""
    if not path.is_file():  # a pipe, such as `<(command)`: what fsspec needs of a file, a pipe does not have
        return open(path, "rb")
    opened: AbstractContextManager[BinaryIO] = fsspec.open(str(path), "rb", compression="infer")
    return opened


def decode_lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """Yield the lines of a binary stream as text."""
    is_utf8 = False  # until a line shows it
    for number, line in enumerate(stream, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            file = "FILE" if name == "standard input" else name
            if is_utf8:
                advice = f" Earlier lines are. To drop such bytes: `iconv -c -f UTF-8 -t UTF-8 {file} > NEW`."
            else:
                more = stream.read(1 << 16) if stream.seekable() else b""  # a pipe could make us wait
                advice = suggest_encoding(line + more, file)
            raise UserError(
                f"{name}, line {number}: not UTF-8 ({error.reason} at byte {error.start + 1}).{advice}"
            ) from None
        is_utf8 = is_utf8 or not text.isascii()
        yield text.rstrip("\r\n")


def suggest_encoding(sample: bytes, name: str) -> str:
    """Return a sentence that names the likely encoding of some bytes, and a command that converts the file `name`."""
    from charset_normalizer import from_bytes  # slow to import, and rarely needed

    best = from_bytes(sample).best()
    if sample.startswith(UTF16_MARKS):
        encoding = "UTF-16"
    elif best is None:
        return ""
    else:
        encoding = ICONV_NAMES.get(best.encoding, codecs.lookup(best.encoding).name.upper())
    return f" It is probably {encoding}: convert it with `iconv -f {encoding} -t UTF-8 {name} > NEW`."


def decode_utf8(content: bytes, name: str) -> str:
    """Decode a text in UTF-8, or in UTF-16 if its first bytes say so; line breaks stay as they are.

    Raises:
        UserError: it is in another encoding.
    """
    try:
        text = content.decode("utf-16" if content.startswith(UTF16_MARKS) else "utf-8-sig")
    except UnicodeDecodeError as error:
        advice = suggest_encoding(content[: 1 << 16], name)
        raise UserError(f"{name} is not UTF-8, at byte {error.start}.{advice}") from error
    if "\0" in text:
        raise UserError(f"{name} is not text, or it is UTF-16 without a byte order mark.")
    return text


def encoding_like(content: bytes) -> str:
    """Return UTF-8 for a text that is to be like another: with a byte order mark if that has one."""
    return "utf-8-sig" if content.startswith((codecs.BOM_UTF8, *UTF16_MARKS)) else "utf-8"
