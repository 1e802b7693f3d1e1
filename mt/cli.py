"""The commands and their exit codes. A command's module, and torch with it, is imported only when it runs.

Exit codes: 0 done; 1 the work failed; 2 the command line, configuration or input is wrong; 130 interrupted;
143 terminated.
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
import threading
from collections.abc import Callable
from keyword import iskeyword

from mt.errors import UserError, suggest

COMMANDS = {
    "train": "train a model; the same command again goes on where it stopped",
    "prepare": "train the tokeniser and encode the text, and stop there",
    "translate": "translate sentences, standard input or files with a trained model",
    "evaluate": "score a trained model on test sets with BLEU and chrF",
    "score": "log-probabilities of given translations",
    "export": "write a trained model for CTranslate2 or Hugging Face transformers",
    "import": "make a run of a Marian model, as those of OPUS-MT",
    "report": "write a page about a run: curves, scores, best and worst sentences, attention",
    "explain": "show the steps of self-attention on a sentence, and what its translation looked at",
    "average": "average the weights of a run's best or last models",
}
FULL_OR_FORBIDDEN = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR,
    errno.ENAMETOOLONG, errno.ENOENT,
)  # fmt: skip


def usage() -> str:
    """What `mt --help` prints."""
    commands = "\n".join(f"  {name:<10} {what}" for name, what in COMMANDS.items())
    return f"""Train translation models and translate with them.

usage: mt COMMAND [ARGUMENT ...]

{commands}

`mt COMMAND --help` says more; `mt --version` prints the version. To start: `mt train` trains the demo model, Chinese
to English, and `mt translate runs/demo '我昨天买了三本书。'` translates with it."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command and end the process with its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run a command; the exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage(), file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    name, *rest = arguments
    if name == "--version":
        from mt import __version__

        print(f"mt {__version__}")
        return 0
    if name not in COMMANDS:
        return fail(f"There is no command '{name}'.{suggest(name, COMMANDS)} There are: {', '.join(COMMANDS)}.", 2)
    return guarded(name, rest)


def is_full_or_forbidden(error: BaseException | None) -> bool:
    """Whether the system refused a write."""
    return isinstance(error, OSError) and error.errno in FULL_OR_FORBIDDEN


def guarded(name: str, arguments: list[str]) -> int:
    """Run the command; what a user can cause becomes a short message."""
    report = threading.excepthook
    # TensorBoard writes in a thread; a full disk there is a full disk here, too, which says it once
    threading.excepthook = lambda failure: None if is_full_or_forbidden(failure.exc_value) else report(failure)
    try:
        return load_command(name)(arguments)
    except UserError as error:
        return fail(str(error), 2)
    except KeyboardInterrupt:
        return fail("Interrupted.", 130)
    except BrokenPipeError:  # the reader of standard output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if not is_full_or_forbidden(error):
            raise
        where = f"{error.filename}: " if error.filename else "Could not write: "
        return fail(f"{where}{error.strerror}. What was saved before is whole.", 2)


def load_command(name: str) -> Callable[[list[str]], int]:
    """Import a command, torch and all, without looking for garbage meanwhile: a seventh of the time."""
    gc.disable()
    try:
        module = f"mt.commands.{name}{'_' * iskeyword(name)}"
        command: Callable[[list[str]], int] = importlib.import_module(module).main
        return command
    finally:
        gc.enable()


def fail(message: str, code: int) -> int:
    """Print an error message; give the exit code."""
    print(f"mt: {message}", file=sys.stderr)
    return code
