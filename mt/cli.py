"""The commands and their exit codes. A command's module, and torch with it, is imported only when it runs.

Exit codes: 0 done; 1 the work failed; 2 the command line, configuration or input is wrong; 130 interrupted;
143 terminated.
"""

import errno
import gc
import importlib
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from keyword import iskeyword

from mt.errors import UserError, WorkFailed, fail, suggest
from mt.runtime.start import start

COMMANDS = {
    "train": "train a model; rerun the same command to resume",
    "prepare": "train the tokenizer and encode the text, but do not train a model",
    "split": "divide parallel text into files for training, validation and testing",
    "translate": "translate sentences, files or standard input",
    "serve": "translate over HTTP, with a page to try it",
    "evaluate": "score runs on test sets with BLEU, chrF and other metrics",
    "calibrate": "learn to estimate the quality of a run's translations",
    "score": "print log-probabilities of given translations",
    "export": "write a model for CTranslate2, Hugging Face transformers or LibreTranslate",
    "import": "turn a model of OPUS-MT (Marian), M2M-100 or NLLB-200 into a run",
    "reproduce": "train a run again from its record, and compare the results",
    "report": "write a page about a run, or about two side by side: curves, scores, sentences",
    "card": "write a model card for the Hugging Face Hub",
    "push": "publish a model on the Hugging Face Hub",
    "explain": "show the steps of self-attention for a sentence and its translation",
    "runs": "list runs, compare two, delete what they no longer need",
    "average": "average the weights of a run's best or last models",
}
FULL_OR_FORBIDDEN = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR,
    errno.ENAMETOOLONG, errno.ENOENT, errno.EBADF,
)  # fmt: skip


def usage() -> str:
    """Return what `mt --help` prints."""
    commands = "\n".join(f"  {name:<10} {purpose}" for name, purpose in COMMANDS.items())
    return f"""Train translation models and translate with them.

usage: mt COMMAND [ARGUMENT ...]

{commands}

`mt COMMAND --help` explains a command; `mt --version` prints the version. To start, run `mt train`, which trains the
demo model, Chinese to English, and then `mt translate runs/demo '我昨天买了三本书。'`."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command and end the process with its exit code."""
    for name, mode, access in (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY)):
        if getattr(sys, name) is None:  # it was closed before the start; what is written to standard output fails
            setattr(sys, name, open(os.open(os.devnull, access), mode))  # noqa: SIM115
    code = run(sys.argv[1:] if arguments is None else arguments)
    if "LOCAL_RANK" in os.environ:  # of torchrun: threads of torch.distributed can abort a process that ends normally
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run a command, report errors that a user can cause in a short message, and return the exit code."""
    report = threading.excepthook
    # TensorBoard writes in a thread; a full disk there also stops the main thread, which reports it once
    threading.excepthook = lambda failure: None if is_full_or_forbidden(failure.exc_value) else report(failure)
    try:
        code = dispatch(arguments)
        sys.stdout.flush()
        return code
    except (UserError, WorkFailed) as error:
        return fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return fail("Interrupted.", 130)
    except BrokenPipeError:  # the reader of standard output, such as `head`, has ended
        discard_output()
        return 0
    except OSError as error:
        if not is_full_or_forbidden(error):
            raise
        discard_output()
        subject = f"{error.filename}: " if error.filename else "Could not write: "
        return fail(f"{subject}{error.strerror}. What was saved before is intact.", 2)


def dispatch(arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage(), file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    name, *rest = arguments
    if name == "--version":
        from mt.runtime.version import describe_version

        print(describe_version())
        return 0
    if name not in COMMANDS:
        choices = f"{suggest(name, COMMANDS)} The commands are: {', '.join(COMMANDS)}"
        raise UserError(f"There is no command '{name}'.{choices}.")
    start()
    return load_command(name)(rest)


def discard_output() -> None:
    """Let what is still to be written to standard output vanish, or Python would report at its end that it cannot."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_full_or_forbidden(error: BaseException | None) -> bool:
    """Return whether the system refused access to a file."""
    return isinstance(error, OSError) and error.errno in FULL_OR_FORBIDDEN


def load_command(name: str) -> Callable[[list[str]], int]:
    """Import a command without garbage collection, which would take a seventh of the time."""
    gc.disable()
    try:
        module = f"mt.commands.{name}{'_' if iskeyword(name) else ''}"
        command: Callable[[list[str]], int] = importlib.import_module(module).main
        return command
    finally:
        gc.enable()
