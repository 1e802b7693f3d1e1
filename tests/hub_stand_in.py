"""A stand-in for the Hugging Face Hub on this machine: the part of its HTTP API that models need, kept in memory."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_stand_in"
MAIN = "main"


@dataclass
class Repository:
    """A model: whether it is private, and the files of each of its commits, oldest first."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, files: dict[str, bytes], message: str) -> str:
        """Add files, and return the new commit."""
        before = self.commits[list(self.commits)[-1]] if self.commits else {}
        oid = hashlib.sha1(f"{len(self.commits)}{message}".encode()).hexdigest()
        self.commits[oid] = {**before, **files}
        self.messages.append(message)
        return oid

    def find(self, revision: str) -> str | None:
        """Return the commit of a revision."""
        return list(self.commits)[-1] if revision == MAIN else revision if revision in self.commits else None


class Hub(ThreadingHTTPServer):
    """The server; `repositories` by OWNER/NAME."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        """What HF_ENDPOINT must be."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers as the Hub does."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Write no log."""

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, value: Any) -> None:
        """Send a value as JSON."""
        self.answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def refuse(self, status: int, code: str) -> None:
        """Send an error by the name that the Hub gives it."""
        self.answer(status, json.dumps({"error": code}).encode(), {"X-Error-Code": code, "X-Error-Message": code})

    def is_logged_in(self) -> bool:
        """Return whether the request has the token."""
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def repository(self, name: str) -> Repository | None:
        """Return a model that the client may see."""
        found = self.server.repositories.get(name)
        return None if found is None or (found.private and not self.is_logged_in()) else found

    def do_HEAD(self) -> None:
        """Describe a file."""
        self.do_GET()

    def do_GET(self) -> None:
        """Describe a model, or send a file."""
        path = self.path.split("?")[0]
        self.server.requests.append(f"{self.command} {path}")
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(?:revision|tree)/([^/]+))?", path):
            repository, revision = self.repository(found[1]), found[2] or MAIN
            commit = repository and repository.find(revision)
            if repository is None:
                return self.refuse(401, "RepoNotFound")
            if commit is None:
                return self.refuse(404, "RevisionNotFound")
            files = repository.commits[commit]
            if "/tree/" in path:
                return self.answer_json(
                    [
                        {"type": "file", "oid": sha(data), "size": len(data), "path": name}
                        for name, data in files.items()
                    ]
                )
            return self.answer_json(
                {
                    "id": found[1], "sha": commit, "private": repository.private, "tags": [], "downloads": 0,
                    "siblings": [{"rfilename": name} for name in files],
                }
            )  # fmt: skip
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            repository = self.repository(found[1])
            commit = repository and repository.find(found[2])
            data = repository.commits[commit].get(found[3]) if repository and commit else None
            if data is None:
                return self.refuse(404, "EntryNotFound")
            return self.answer(200, data, {"ETag": f'"{sha(data)}"', "X-Repo-Commit": commit or ""})
        return self.refuse(404, "NotFound")

    def do_POST(self) -> None:
        """Make a model, or a commit in it."""
        self.server.requests.append(f"POST {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.is_logged_in():
            return self.refuse(401, "Unauthorized")
        if self.path == "/api/validate-yaml":
            return self.answer_json({"errors": [], "warnings": []})
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            if name in self.server.repositories:
                return self.answer(409, json.dumps({"url": f"{self.server.url}/{name}"}).encode())
            private = asked.get("visibility") == "private" or bool(asked.get("private"))
            self.server.repositories[name] = repository = Repository(private)
            repository.commit({}, "initial commit")
            return self.answer_json({"url": f"{self.server.url}/{name}"})
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(preupload|commit)/main", self.path.split("?")[0]):
            repository = self.server.repositories[found[1]]
            if found[2] == "preupload":
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                    for file in json.loads(body)["files"]
                ]
                return self.answer_json({"files": files})
            rows = [json.loads(line) for line in body.splitlines()]
            header = next(row["value"] for row in rows if row["key"] == "header")
            files = {
                row["value"]["path"]: base64.b64decode(row["value"]["content"]) for row in rows if row["key"] == "file"
            }
            oid = repository.commit(files, header["summary"])
            url = f"{self.server.url}/{found[1]}/commit/{oid}"
            return self.answer_json({"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""})
        return self.refuse(404, "NotFound")


def sha(data: bytes) -> str:
    """Return the identifier of a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
