"""Nodemailer's MailComposer, in a process of its own, which takes its turns like the others."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .mails import FROM

if TYPE_CHECKING:
    from .mails import Mail

_HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("MODERNMAIL_NPM") or _HERE.parent)
INSTALL = "npm install --prefix FOLDER nodemailer, with MODERNMAIL_NPM=FOLDER"


def is_there() -> bool:
    """Whether node and Nodemailer are installed."""
    return shutil.which("node") is not None and (FOLDER / "node_modules" / "nodemailer").is_dir()


class Nodemailer:
    """The process that composes."""

    def __init__(self) -> None:
        script = _HERE / "nodemailer.mjs"
        command = ["node", str(script), str(FOLDER.resolve())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        hello = self._answer()
        self.version = f"{hello['version']} (node {hello['node'].lstrip('v')})"

    def compose(self, mail: Mail) -> bytes:
        """Return the mail as it composes it."""
        return base64.b64decode(self._ask(name=mail.name, mail=as_options(mail))["octets"])

    def seconds(self, mail: Mail, times: int) -> float:
        """Return the processor time of composing it so many times."""
        return float(self._ask(name=mail.name, times=times)["seconds"])

    def end(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.communicate()

    def _ask(self, **question: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def as_options(mail: Mail) -> dict[str, Any]:
    """Return a mail as Nodemailer takes it, its files in base64."""
    files = []
    if mail.inline is not None:
        files.append({"cid": "logo", "contentType": "image/png", "contentDisposition": "inline",
                      "content": _base64(mail.inline)})  # fmt: skip
    if mail.file is not None:
        files.append(
            {"filename": mail.file[0], "contentType": mail.file[2], "content": _base64(mail.file[1])}
        )
    return {
        "subject": mail.subject, "text": mail.text, "html": mail.html,
        "from": {"name": FROM[0], "address": FROM[1]},
        "to": [{"name": name, "address": spec} for name, spec in mail.to], "attachments": files,
    }  # fmt: skip


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
