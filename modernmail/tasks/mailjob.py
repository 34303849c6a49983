"""A mail in the queue: `packed` makes the job of a parcel, `unpack` the parcel of a job.

The payload is JSON and small: envelope, mailer, flags. The content is stored beside it as it goes over the
wire. With `by_reference`, parts that are streamed from a file stay in that file, and the payload says which
and how it looked.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modernmail.content import Content, Octets, content_of_one
from modernmail.envelope import Envelope
from modernmail.errors import InvalidAttachment, PayloadRejected
from modernmail.mime.transfer import StreamedBody
from modernmail.parcel import Parcel, parcel_of
from modernmail.source import FileSource

from .jsonvalue import dumps, loads
from .recipients import STATUSES
from .signature import sign, verify
from .sqlite.job import NewJob

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .mailoptions import MailOptions
    from .recipients import State
    from .sqlite.job import Job

VERSION = 1
LANE = "mail:"
UNREADABLE = "unreadable@invalid"  # stands for the recipients of a mail whose payload nobody can read

_BOUNDARY = re.compile(rb'boundary="([^"\r\n]+)"')


def lane_of(mailer: str) -> str:
    """Return the lane of a mailer's mail."""
    return LANE + mailer


def packed(parcel: Parcel, options: MailOptions, signing_key: str | None) -> NewJob:
    """Return the job that stands for this parcel, signed where there is a key; files that are to be stored are read now.

    Raises `InvalidAttachment` when one of them has vanished or changed.
    """
    content = parcel.content
    payload: dict[str, Any] = {
        "v": VERSION,
        "mailer": options.using,
        "message_id": parcel.message_id,
        "envelope": parcel.envelope.to_dict(),
    }
    if content.is_8bit:
        payload["is_8bit"] = True
    if content.is_utf8:
        payload["is_utf8"] = True
    parts = _parts(content) if options.by_reference and content.is_streamed else None
    if parts is None:
        data = bytes(content)
    else:
        payload["parts"] = [part for part, _ in parts]
        data = b"".join(kept for _, kept in parts)
    text = dumps(payload)
    key = options.idempotency_key
    return NewJob(
        lane_of(options.using),
        parcel.message_id,
        text,
        options.queue_name,
        options.priority,
        options.starts_at,
        options.expires_at,
        sign(signing_key, parcel.message_id, text, data),
        key,
        None if key is None else digest(parcel, options.using),
        data,
    )


def unpack(job: Job, data: bytes | None, signing_key: str | None) -> Parcel:
    """Return the parcel of a stored job, for all its recipients.

    Raises `PayloadRejected` for a newer version, a wrong signature, or content that is gone, and
    `InvalidAttachment` when a file it refers to has vanished or changed.
    """
    if data is None:
        raise PayloadRejected("the content of the mail is gone from the queue")
    verify(signing_key, job.signature, job.name, job.payload, data)
    try:
        payload = loads(job.payload)
        version = payload["v"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PayloadRejected(f"the payload cannot be read: {error!r}") from error
    if version != VERSION:
        raise PayloadRejected(f"payload of version {version!r}; this release reads {VERSION}")
    if signing_key is not None and lane_of(str(payload.get("mailer"))) != job.lane:
        raise PayloadRejected(
            f"it was signed for the mailer {payload.get('mailer')!r}, and stands in {job.lane!r}"
        )
    try:
        return _parcel(payload, data)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, InvalidAttachment):
            raise
        raise PayloadRejected(f"the payload cannot be read: {error!r}") from error


def described(job: Job) -> tuple[str, Envelope]:
    """Return the Message-ID and the envelope of a stored mail, for people to look at.

    A payload that nobody can read has one recipient, `UNREADABLE`.
    """
    try:
        payload = loads(job.payload)
        return str(payload["message_id"]), Envelope.from_dict(payload["envelope"])
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError):
        return job.name, Envelope("", [UNREADABLE])


def state_of(job: Job, recipients: Iterable[str]) -> State:
    """Return what is known of each recipient of a stored mail.

    Where what is stored of that cannot be read, each may have the mail already: all are unknown.
    """
    if job.outcome is None:
        return {}
    state = job.known.get("recipients")
    if isinstance(state, dict) and all(
        isinstance(known, dict) and known.get("status") in STATUSES for known in state.values()
    ):
        return state
    outcome = {
        "status": "unknown",
        "reply": None,
        "reason": "what is stored of it cannot be read",
        "phase": "local",
    }
    return {name: {**outcome, "at": job.attempted_at} for name in recipients}


def _parcel(payload: dict[str, Any], data: bytes) -> Parcel:
    is_8bit, is_utf8 = payload.get("is_8bit", False), payload.get("is_utf8", False)
    envelope = Envelope.from_dict(payload["envelope"])
    parts = payload.get("parts")
    if parts is None:
        content = content_of_one(data, is_8bit=is_8bit, is_utf8=is_utf8)
    else:
        content = Content(_pieces(parts, data), is_8bit=is_8bit, is_utf8=is_utf8)
    return parcel_of(envelope, content, payload["message_id"])


def digest(parcel: Parcel, mailer: str) -> bytes:
    """Return what two parcels have in common that say the same: all but Date, Message-ID and boundaries."""
    data = bytes(parcel.content)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.replace(b"\r\n ", b"\x00 ").replace(b"\r\n\t", b"\x00\t").split(b"\r\n")
    kept = [line for line in lines if line[:5].lower() != b"date:" and line[:11].lower() != b"message-id:"]
    rest = b"\r\n".join(kept) + b"\r\n\r\n" + body
    for boundary in set(_BOUNDARY.findall(data)):
        rest = rest.replace(boundary, b"")
    envelope = dumps(parcel.envelope.to_dict()).encode()
    return hashlib.sha256(b"\0".join((mailer.encode(), envelope, rest))).digest()


def _parts(content: Content) -> list[tuple[list[Any], bytes]]:
    """Return each piece of the content: how the payload describes it, and what is stored of it."""
    parts: list[tuple[list[Any], bytes]] = []
    for piece in content.pieces:
        source = piece.source if isinstance(piece, StreamedBody) else None
        if isinstance(source, FileSource):
            # A file that is another by now is an error of the enqueue.
            path = str(Path(source.path).absolute())
            parts.append((["file", path, *_as_it_was(path, source.stamp).stamp], b""))
        else:
            data = piece.data if hasattr(piece, "data") else b"".join(piece.blocks())
            parts.append((["kept", len(data)], data))
    return parts


def _pieces(parts: list[list[Any]], data: bytes) -> list[Octets | StreamedBody]:
    pieces: list[Octets | StreamedBody] = []
    at = 0
    for kind, *about in parts:
        if kind == "kept":
            pieces.append(Octets(data[at : at + about[0]]))
            at += about[0]
        else:
            path, *stamp = about
            pieces.append(StreamedBody(_as_it_was(path, tuple(stamp))))
    return pieces


def _as_it_was(path: str, stamp: tuple[int, ...]) -> FileSource:
    """Return the file at the path, or raise `InvalidAttachment` when it is not the one with this stamp."""
    source = FileSource(path)
    if source.stamp != stamp:
        raise InvalidAttachment("path", path, "has changed since the message was built")
    return source
