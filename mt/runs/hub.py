"""Models on the Hugging Face Hub, as `hub:OWNER/NAME` or, at a branch, tag or commit, `hub:OWNER/NAME@REVISION`."""

import logging
import re
from contextlib import suppress
from functools import partial
from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is of another package
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from mt.config.corpora import HUB
from mt.errors import UserError, first_line
from mt.runs.layout import RunLayout
from mt.runtime.checksums import SUMS

log = logging.getLogger(__name__)

ADDRESS = re.compile(r"hub:([\w-][\w.-]*/[\w.-]+)(?:@(.+))?")
COMMIT = re.compile(r"[0-9a-f]{40}")
LAYOUT = RunLayout(Path())
FILES = [LAYOUT.config.name, LAYOUT.weights.name, "tokenizer*.model", LAYOUT.quality.name, LAYOUT.card.name, SUMS]
"""what is downloaded of a model"""


def split_address(address: str) -> tuple[str, str | None]:
    """Return `OWNER/NAME` and the revision, if there is one.

    Raises:
        UserError: it is not an address.
    """
    found = ADDRESS.fullmatch(address)
    try:
        validate_repo_id(found[1] if found else "")
    except HFValidationError:
        found = None
    if found is None:
        raise UserError(f"{address} is not a model of the Hub: give {HUB}OWNER/NAME or {HUB}OWNER/NAME@REVISION.")
    return found[1], found[2]


def download(address: str) -> Path:
    """Return the folder of a model in the Hub's cache, downloaded if it has changed; without a network, as it is there.

    A commit never changes, so one that is in the cache needs no network.

    Raises:
        UserError: there is no such model, or it can neither be reached nor is in the cache.
    """
    name, revision = split_address(address)
    fetch = partial(snapshot_download, name, revision=revision, allow_patterns=FILES)
    if revision and COMMIT.fullmatch(revision):
        with suppress(LocalEntryNotFoundError):
            return Path(fetch(local_files_only=True))  # raises, too, if only a part is there
    try:
        folder = Path(fetch())
    except RevisionNotFoundError as error:
        raise UserError(f"{address}: the model has no revision {revision}.") from error
    except RepositoryNotFoundError as error:
        raise UserError(f"{address}: there is no such model, or it is private and you are not logged in.") from error
    except (LocalEntryNotFoundError, HTTPError) as error:
        raise UserError(f"{address} is not in the cache, and {explain(error)}") from error
    if revision != folder.name:
        log.info("%s is at %s%s@%s, which stays as it is.", address, HUB, name, folder.name)
    return folder


def check_target(address: str) -> str:
    """Return `OWNER/NAME` of an address to upload to.

    Raises:
        UserError: it is not an address, or has a revision.
    """
    name, revision = split_address(address)
    if revision is not None:
        raise UserError(f"{address}: a new revision is made on the main branch; omit @{revision}.")
    return name


def upload(folder: Path, address: str, private: bool, message: str) -> str:
    """Upload a folder as a new revision of a model, which is made if it does not exist, and return its commit.

    Args:
        private: whether a new model is private; one that exists stays as it is.

    Raises:
        UserError: the Hub cannot be reached, or refuses.
    """
    name, hub = check_target(address), HfApi()
    try:
        hub.create_repo(name, private=private, exist_ok=True)
        return str(hub.upload_folder(repo_id=name, folder_path=folder, commit_message=message).oid)
    except (LocalTokenNotFoundError, HTTPError, ValueError) as error:
        raise UserError(f"{address} was not uploaded: {explain(error)}") from error


def explain(error: Exception) -> str:
    """Return what failed, in one sentence, and what can be done about it."""
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if status in (401, 403) or isinstance(error, LocalTokenNotFoundError):
        return "you are not logged in, or must not do this. `hf auth login` stores a token; HF_TOKEN gives one."
    if status is None and not isinstance(error, ValueError):
        return f"{constants.ENDPOINT} cannot be reached."
    return f"the Hub answers: {first_line(error)}"
