"""The judge: an output counts only when the standard parser reads from it the mail that was asked for."""

from __future__ import annotations

import email
import email.policy
from email.header import decode_header, make_header
from email.utils import getaddresses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mails import Mail


def fault(octets: bytes, mail: Mail) -> str | None:
    """Return what is wrong with an output, None when it is the mail."""
    message = email.message_from_bytes(octets, policy=email.policy.default)
    if str(message["Subject"]).strip() != mail.subject:
        return "subject differs"
    if mail.to not in (_read_newly(message), _read_as_before(octets)):
        return "recipients differ"
    leaves = [part for part in message.walk() if not part.is_multipart()]
    bodies = [
        part for part in leaves if part.get_content_disposition() != "attachment" and not part.get_filename()
    ]
    for kind, wanted in (("text/plain", mail.text), ("text/html", mail.html)):
        texts = [_text(part) for part in bodies if part.get_content_type() == kind]
        if texts != ([] if wanted is None else [wanted.rstrip()]):
            return f"{kind} differs"
    contents = {
        part.get_payload(decode=True): part for part in leaves if part not in bodies or part["Content-ID"]
    }
    if mail.inline is not None and (mail.inline not in contents or not contents[mail.inline]["Content-ID"]):
        return "inline image differs"
    if mail.file is not None:
        part = contents.get(mail.file[1])
        if part is None:
            return "attachment differs"
        if part.get_filename() != mail.file[0] or part.get_content_type() != mail.file[2]:
            return "name or type of the attachment differs"
    if max(map(len, octets.splitlines())) > 998:
        return "a line has more than 998 octets"
    return None


def _text(part: email.message.Message) -> str:
    octets = part.get_payload(decode=True)
    return octets.decode("utf-8", "replace").replace("\r\n", "\n").rstrip()


def _read_newly(message: email.message.EmailMessage) -> list[tuple[str, str]]:
    return [(address.display_name, address.addr_spec) for address in message["To"].addresses]


def _read_as_before(octets: bytes) -> list[tuple[str, str]]:
    raw = email.message_from_bytes(octets)["To"].replace("\r\n", "").replace("\n", "")
    return [(str(make_header(decode_header(name))), spec) for name, spec in getaddresses([raw])]
