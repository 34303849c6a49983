"""What `Message.copy` may change, for type checkers: the arguments of `Message`, each left out unless it differs.

Nothing imports it when a program runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .heading import Mailbox, Mailboxes
    from .mime.transfer import BodyEncoding
    from .parts import AttachmentLike


class Changes(TypedDict, total=False):
    """Arguments of `Message` that differ in a copy."""

    subject: str
    text: str | None
    html: str | None
    from_email: Mailboxes | None
    to: Mailboxes
    cc: Mailboxes
    bcc: Mailboxes
    reply_to: Mailboxes
    sender: Mailbox | None
    return_path: Mailbox | None
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None
    attachments: Iterable[AttachmentLike]
    alternatives: Iterable[tuple[str | bytes, str]]
    body_encoding: BodyEncoding
