"""The preview: a mail's HTML made fit for a sandboxed frame, and the policy it is served under.

What keeps a mail from acting is its Content-Security-Policy; what is taken out here are the elements with
which Chromium still opens a connection in spite of one. Rules of the file: what leaves `inert` holds none of
them, however the HTML was written; images of the mail itself come along as `data:`.
"""

from __future__ import annotations

import base64
import re
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import unquote

from modernmail.csp import CSP, Policy
from modernmail.reading.entities import decode_entities
from modernmail.reading.markup import RAW_TEXT, read_tags

if TYPE_CHECKING:
    from modernmail.reading import ReadMail

LONGEST_HTML = 4_000_000  # characters shown; a mail program shows a fortieth of that
LARGEST_INLINE = 32 * 1024 * 1024  # octets of inline images shown, together

STRIPPED = ("iframe", "frame", "frameset", "object", "embed", "link", "meta", "base", "script")
_LEFT_OVER = re.compile(rf"<(/?)({'|'.join(STRIPPED)})(?=[\t\n\f\r />])", re.IGNORECASE)
_CID = re.compile(r"""\bcid:([^"'\s<>)]+)""", re.IGNORECASE)
_TARGET = re.compile(r"""(?<=[\s"'/])target(?=\s*=)""", re.IGNORECASE)
_SCHEMES = re.compile(r"[a-z ]{1,40}", re.IGNORECASE)
_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)
_DARK = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)", re.IGNORECASE)


def preview(mail: ReadMail, *, scheme: str = "") -> str:
    """Return the HTML of `mail` for the frame; `scheme` (`dark`, `light`) acts as the reader's choice."""
    html, schemes = inert((mail.html or "")[:LONGEST_HTML])
    html = _with_inline_images(html, mail)
    if scheme in {"dark", "light"}:
        html = _DARK.sub(
            lambda match: "(min-width:0)" if match[1].lower() == scheme else "(max-width:0)", html
        )
        schemes = scheme if "dark" in schemes or scheme == "light" else schemes
    head = '<base target="_blank">'
    if schemes:
        head += f"<style>:root{{color-scheme:{escape(schemes)}}}</style>"
    doctype = _DOCTYPE.match(html)
    start = doctype.end() if doctype else 0
    return f"{html[:start]}{head}{html[start:]}"


def inert(html: str) -> tuple[str, str]:
    """Return `html` without the elements that load or act by themselves, and the color schemes it declares.

    Where a link says that it opens goes too: in the frame it would open nothing, or take the mail's place.

    >>> inert("<p>a<script>b</script><IFRAME src=//x.example></iframe>c</p><!-- <meta> -->")
    ('<p>ac</p><!-- <x-meta> -->', '')
    """
    pieces: list[str] = []
    position, schemes = 0, ""
    for tag in read_tags(html):
        if tag.name in {"a", "area"} and "target" in tag.attributes and tag.start >= position:
            link = _TARGET.sub("x-target", html[tag.start : tag.stop])
            pieces += html[position : tag.start], link
            position = tag.stop
        if tag.name not in STRIPPED:
            continue
        if tag.start >= position:
            pieces.append(html[position : tag.start])
        position = tag.stop + (len(tag.text) if tag.name in RAW_TEXT else 0)
        named = tag.attributes.get("name", "").lower()
        content = tag.attributes.get("content", "")
        if (
            tag.name == "meta"
            and named in {"color-scheme", "supported-color-schemes"}
            and _SCHEMES.fullmatch(content)
        ):
            schemes = content.lower()
    pieces.append(html[position:])
    # Whatever a browser takes for a tag begins with these letters: renamed, it is an unknown element.
    return _LEFT_OVER.sub(r"<\1x-\2", "".join(pieces)), schemes


def _with_inline_images(html: str, mail: ReadMail) -> str:
    parts = {part.content_id: part for part in mail.files if part.content_id}
    made: dict[str, str] = {}
    left = LARGEST_INLINE

    def image(match: re.Match[str]) -> str:
        nonlocal left
        name = unquote(decode_entities(match[1]))
        part = parts.get(name)
        if part is None or not part.media_type.startswith(("image/", "font/")):
            return match[0]
        if name not in made:
            data = base64.b64encode(part.content).decode("ascii")
            made[name] = f"data:{escape(part.media_type)};base64,{data}"
        left -= len(made[name])
        return match[0] if left < 0 else made[name]

    return _CID.sub(image, html) if parts else html


def policy(report_uri: str, *, remote: bool = False) -> Policy:
    """Return the policy of the frame: nothing runs, nothing loads; with `remote`, images do.

    Only `report-uri`: over plain http, `report-to` would deliver nothing and silence it.
    """
    return Policy(
        {
            "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox"],
            "default-src": [CSP.NONE],
            "img-src": ["data:", "http:", "https:"] if remote else ["data:"],
            "style-src": [CSP.UNSAFE_INLINE],
            "font-src": ["data:"],
            "base-uri": [CSP.NONE],
            "form-action": [CSP.NONE],
            "frame-ancestors": [CSP.SELF],
            "report-uri": [report_uri],
        }
    )
