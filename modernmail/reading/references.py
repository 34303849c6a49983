"""What a mail points at: links to follow, codes to type, and what it would load from elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from .entities import decode_entities
from .markup import read_tags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .mail import ReadMail
    from .markup import Tag

MOST_REFERENCES = 1_000
DEEPEST = 3  # documents within documents; each level costs as much as all that is in it
# Characters of a body: no reader follows a link past them, and a page must not wait.
LONGEST_SEARCHED = 2_000_000

_URL_IN_TEXT = re.compile(r"\bhttps?://[^\s<>\"'\x00-\x1f]+", re.IGNORECASE)
_ANY_URL = re.compile(r"(?:https?|wss?):?//[^\s<>\"'\\)]+", re.IGNORECASE)
_CSS_URL = re.compile(
    r"""url\(\s*["']?([^"')]{1,4000}) | @import\s+["']([^"']{1,4000}) | image-set\(\s*["']([^"']{1,4000})""",
    re.VERBOSE | re.IGNORECASE,
)
_REFRESH = re.compile(r"""url\s*=\s*["']?([^"'>]+)""", re.IGNORECASE)
_REMOTE = re.compile(r"\s*(?:(?:https?|wss?|ftp):)?//\S", re.IGNORECASE)
_LOADING = frozenset(
    {
        *("action", "archive", "background", "classid", "code", "codebase", "data", "dynsrc", "formaction"),
        *("icon", "lowsrc", "manifest", "ping", "poster", "profile", "src"),
    }
)
_LOADING_BY_HREF = frozenset({"base", "feimage", "image", "link", "script", "use"})
_CODE_WORDS = re.compile(r"\b(?:codes?|pin|otp|passcode|password|token|tan|verification)\b", re.IGNORECASE)
_CODE = re.compile(
    r"""(?<![\w./:#$€£%+=&?-])
        ( \d{4,8} | \d{3}[ -]\d{3} | [A-Z\d]{4}-[A-Z\d]{4} | (?=[A-Z]*\d)(?=\d*[A-Z])[A-Z\d]{5,10} )
        (?! [\w/:@%=&-] | [.,]\d )""",
    re.VERBOSE,
)
_NEAR = 120  # characters between the word and the code that it announces


class Reference(NamedTuple):
    """Something loaded from elsewhere: `how` (`img src`, `style url()`, …) and the address as written."""

    how: str
    url: str


def find_links(mail: ReadMail) -> list[str]:
    """Return the addresses to click, in order, each once: those of the HTML, then those only in the text.

    >>> from modernmail.reading import read
    >>> find_links(read(b"Subject: x\\r\\n\\r\\nSee https://example.com/a, or (https://example.com/b)."))
    ['https://example.com/a', 'https://example.com/b']
    """
    links: dict[str, None] = {}
    for tag in read_tags((mail.html or "")[:LONGEST_SEARCHED]):
        if tag.name in {"a", "area"} and (href := tag.attributes.get("href", "").strip()):
            links.setdefault(href)
    for match in _URL_IN_TEXT.finditer((mail.text or "")[:LONGEST_SEARCHED]):
        links.setdefault(_without_closing_marks(match[0]))
    return list(links)[:MOST_REFERENCES]


def find_codes(mail: ReadMail) -> list[str]:
    r"""Return the one-time codes of a mail, the likeliest first: the nearest to each word like *code*.

    >>> from modernmail.reading import read
    >>> find_codes(read(b"Subject: Hello\r\n\r\nYour code is 493 201. It is valid until 1030 today.\r\n"))
    ['493201']
    """
    text = "\n".join(
        (mail.subject, mail.text if mail.text is not None else words_of_html((mail.html or "")[:400_000]))
    )
    text = _URL_IN_TEXT.sub(" ", text[:200_000])
    candidates = [(match.start(), match.end(), match[1]) for match in _CODE.finditer(text)][:MOST_REFERENCES]
    found: dict[str, int] = {}
    for word in list(_CODE_WORDS.finditer(text))[:MOST_REFERENCES]:
        distances = [
            # A code before its word counts twice the distance: "1234 is your code".
            (start - word.end() if start >= word.end() else 2 * (word.start() - end), code)
            for start, end, code in candidates
        ]
        distance, code = min(distances, default=(_NEAR + 1, ""))
        if distance <= _NEAR:
            code = code.replace(" ", "")
            code = code.replace("-", "") if code.replace("-", "").isdigit() else code
            found[code] = min(distance, found.get(code, distance))
    return sorted(found, key=lambda code: found[code])


def find_remote(html: str) -> list[Reference]:
    """Return what `html` would load or be sent to from other machines without a click; in order, each once.

    Documents within its attributes are read too, down to `DEEPEST`: a browser loads nothing for an image within an image.

    >>> find_remote('<img src="https://example.com/x.png"><p style="background: url(//example.com/y)">')[1]
    Reference(how='p style', url='//example.com/y')
    """
    return _remote(html, 0)


def _remote(html: str, depth: int) -> list[Reference]:
    found: dict[Reference, None] = {}
    for tag in read_tags(html):
        for reference in _references(tag, depth):
            if _REMOTE.match(reference.url):
                found.setdefault(Reference(reference.how, reference.url.strip()))
        if len(found) >= MOST_REFERENCES:
            break
    return list(found)


def find_css_urls(css: str) -> Iterator[str]:
    """Give the addresses in a style sheet or a style attribute."""
    for match in _CSS_URL.finditer(css):
        yield (match[1] or match[2] or match[3]).strip()


def words_of_html(html: str) -> str:
    """Return roughly the words of `html`: enough to search and to find a code in."""
    pieces, position = [], 0
    for tag in read_tags(html):
        pieces.append(html[position : tag.start])
        position = tag.stop + len(tag.text)
    pieces.append(html[position:])
    return " ".join(decode_entities(" ".join(pieces)).split())


def _references(tag: Tag, depth: int) -> Iterator[Reference]:
    is_shallow = depth < DEEPEST
    for name, value in tag.attributes.items():
        how = f"{tag.name} {name}"
        local = name.rpartition(":")[2]
        if local in _LOADING or (local == "href" and tag.name in _LOADING_BY_HREF):
            yield Reference(how, value)
        elif local in {"srcset", "imagesrcset"}:
            for candidate in value.split(","):
                yield Reference(how, candidate.strip().partition(" ")[0])
        elif local == "srcdoc":
            if is_shallow:
                yield from _remote(value, depth + 1)
        elif name == "content" and tag.name == "meta" and (refresh := _REFRESH.search(value)):
            yield Reference("meta refresh", refresh[1])
        elif name.startswith("on"):
            for match in _ANY_URL.finditer(value):
                yield Reference(how, match[0])
        elif "(" in value or "@" in value:
            for url in find_css_urls(value):
                yield Reference(how, url)
        if is_shallow and value.startswith("data:image/svg"):
            yield from _remote(unquote(value), depth + 1)
    if tag.name == "style":
        for url in find_css_urls(tag.text):
            yield Reference("style sheet", url)
    elif tag.name == "script":
        for match in _ANY_URL.finditer(tag.text):
            yield Reference("script", match[0])


def _without_closing_marks(url: str) -> str:
    """Cut the punctuation of the sentence off; a bracket stays that was opened in the address."""
    surplus = {close: url.count(close) - url.count(opening) for opening, close in ("()", "[]", "{}")}
    end = len(url)
    while end and (url[end - 1] in ".,;:!?*_" or surplus.get(url[end - 1], 0) > 0):
        end -= 1
        if url[end] in surplus:
            surplus[url[end]] -= 1
    return url[:end]
