"""Answers that a browser saves and never shows: what is in them is a stranger's."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from modernmail.reading.part import safe_name


def file_response(content: bytes, media_type: str, name: str) -> Response:
    """Return bytes that a browser saves and never shows."""
    name = safe_name(name)
    plain = "".join(
        letter if (letter.isascii() and letter.isalnum()) or letter in "._- " else "_" for letter in name
    )
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    known = media_type if media_type.isascii() and media_type.isprintable() else "application/octet-stream"
    headers = {"Content-Disposition": disposition, "Content-Security-Policy": "sandbox; default-src 'none'"}
    return Response(content, media_type=known, headers=headers)
