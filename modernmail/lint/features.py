"""Which features of HTML and CSS a mail uses, by the names that caniemail.com gives them.

Most names say what to look for (`css-accent-color` is the property `accent-color`, `html-abbr` the element);
the tables hold the others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modernmail.reading.markup import read_tags

from .css import read_css

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail.reading.markup import Tag

    from .css import Rule

_UNITS = ("ch", "cm", "em", "ex", "in", "mm", "pc", "pt", "px", "rem", "vh", "vmax", "vmin", "vw")
_PSEUDO_CLASSES = (
    *("active", "checked", "first-child", "first-of-type", "focus", "has", "hover", "lang", "last-child"),
    *("last-of-type", "link", "not", "nth-child", "nth-last-child", "nth-last-of-type", "nth-of-type"),
    *("only-child", "only-of-type", "target", "visited"),
)
_PSEUDO_ELEMENTS = ("after", "before", "first-letter", "first-line", "marker", "placeholder")
_SEMANTIC_ELEMENTS = (
    *("article", "aside", "details", "figcaption", "figure", "footer", "header", "main", "mark", "nav"),
    *("section", "summary", "time"),
)
_PLAIN_ATTRIBUTES = (
    *("align", "aria-describedby", "aria-hidden", "aria-label", "aria-labelledby", "aria-live", "background"),
    *("cellpadding", "cellspacing", "dir", "height", "hidden", "lang", "popover", "required", "role"),
    *("srcset", "target", "valign", "width"),
)

_PROPERTIES = {
    "block-size": "css-block-inline-size",
    "inline-size": "css-block-inline-size",
    "border-inline": "css-border-inline-block",
    "border-block": "css-border-inline-block",
    "column-gap": "css-gap",
    "row-gap": "css-gap",
    "grid-gap": "css-gap",
    "columns": "css-column-layout-properties",
    "column-width": "css-column-layout-properties",
    "column-rule": "css-column-layout-properties",
    "column-span": "css-column-layout-properties",
    "grid-template-columns": "css-grid-template",
    "grid-template-rows": "css-grid-template",
    "grid-template-areas": "css-grid-template",
    "left": "css-left-right-top-bottom",
    "right": "css-left-right-top-bottom",
    "top": "css-left-right-top-bottom",
    "bottom": "css-left-right-top-bottom",
    "margin-block": "css-margin-inline-block",
    "margin-inline": "css-margin-inline-block",
    "margin-block-start": "css-margin-block-start-end",
    "margin-block-end": "css-margin-block-start-end",
    "margin-inline-start": "css-margin-inline-start-end",
    "margin-inline-end": "css-margin-inline-start-end",
    "padding-block": "css-padding-inline-block",
    "padding-inline": "css-padding-inline-block",
    "padding-block-start": "css-padding-block-start-end",
    "padding-block-end": "css-padding-block-start-end",
    "padding-inline-start": "css-padding-inline-start-end",
    "padding-inline-end": "css-padding-inline-start-end",
    "scroll-snap-type": "css-scroll-snap",
    "scroll-snap-align": "css-scroll-snap",
    "animation-name": "css-animation",
    "transition-property": "css-transition",
    "max-inline-size": "css-max-inline-size",
    "inset": "css-inset",
}
_VALUES = {
    ("display", "flex"): "css-display-flex",
    ("display", "inline-flex"): "css-display-flex",
    ("display", "grid"): "css-display-grid",
    ("display", "inline-grid"): "css-display-grid",
    ("display", "none"): "css-display-none",
}
_IN_VALUES = {
    "css-conic-gradient": r"conic-gradient\(",
    "css-linear-gradient": r"linear-gradient\(",
    "css-radial-gradient": r"radial-gradient\(",
    "css-function-clamp": r"\bclamp\(",
    "css-function-light-dark": r"\blight-dark\(",
    "css-function-max": r"\bmax\(",
    "css-function-min": r"\bmin\(",
    "css-unit-calc": r"\bcalc\(",
    "css-variables": r"\bvar\(",
    "css-modern-color": r"\b(?:ok)?(?:lch|lab)\(",
    "css-rgb": r"\brgb\(",
    "css-rgba": r"\brgba\(",
    "css-important": r"!important",
    "css-intrinsic-size": r"\b(?:fit|min|max)-content\b",
    "css-unit-initial": r"\binitial\b",
    "css-sytem-ui": r"\bsystem-ui\b|\bui-(?:serif|sans-serif|rounded|monospace)\b",
    **{f"css-unit-{unit}": rf"\d{unit}\b" for unit in _UNITS},
    "css-unit-percent": r"\d%",
}
_IN_SELECTORS = {
    "css-selector-adjacent-sibling": r"\+",
    "css-selector-attribute": r"\[",
    "css-selector-child": r">",
    "css-selector-class": r"\.[a-z_-]",
    "css-selector-descendant": r"[\w\])*]\s+[\w.#\[*:]",
    "css-selector-general-sibling": r"~",
    "css-selector-grouping": r",",
    "css-selector-id": r"#[a-z_-]",
    "css-selector-universal": r"\*",
    "css-nesting": r"&",
    **{f"css-pseudo-class-{name}": rf"(?<!:):{name}(?![\w-])" for name in _PSEUDO_CLASSES},
    **{f"css-pseudo-element-{name}": rf"::?{name}(?![\w-])" for name in _PSEUDO_ELEMENTS},
}
_IN_MEDIA = {
    "css-at-media-device-pixel-ratio": "device-pixel-ratio",
    "css-at-media-hover": "hover",
    "css-at-media-orientation": "orientation",
    "css-at-media-prefers-color-scheme": "prefers-color-scheme",
    "css-at-media-prefers-reduced-motion": "prefers-reduced-motion",
}
_ELEMENTS = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "html-h1-h6"),
    **dict.fromkeys(("ul", "ol", "dl"), "html-lists"),
    **dict.fromkeys(("map", "area"), "html-image-maps"),
    **dict.fromkeys(_SEMANTIC_ELEMENTS, "html-semantics"),
    "embed": "html-object",
}
_ATTRIBUTES = {
    **{name: f"html-{name}" for name in _PLAIN_ATTRIBUTES},
    "loading": "html-loading-attribute",
    "usemap": "html-image-maps",
    "sizes": "html-srcset",
}
_INPUTS = frozenset({"checkbox", "hidden", "radio", "reset", "submit", "text"})
_IMAGES = {"jpeg": "image-jpg", "svg+xml": "image-svg", "x-icon": "image-ico", "heic": "image-heif"}
_IMAGE_NAME = re.compile(
    r"\.(apng|avif|bmp|gif|hdr|heif|heic|ico|jpe?g|png|svg|tiff?|webp)(?:[?#]|$)", re.IGNORECASE
)
_DATA_IMAGE = re.compile(r"data:image/([\w.+-]+)", re.IGNORECASE)

_PATTERNS = {
    table: {slug: re.compile(pattern) for slug, pattern in patterns.items()}
    for table, patterns in {"value": _IN_VALUES, "selector": _IN_SELECTORS}.items()
}


def find_features(html: str, known: frozenset[str]) -> dict[str, None]:
    """Return the slugs, out of `known`, of the features that `html` uses, in the order they are met.

    >>> list(find_features("<abbr style='display: flex'>", frozenset({"html-abbr", "css-display-flex"})))
    ['html-abbr', 'css-display-flex']
    """
    found: dict[str, None] = {}
    seen: set[tuple[str, str, str]] = set()  # a mail repeats the same few declarations thousands of times
    for tag in read_tags(html):
        if tag.is_end:
            continue
        for slug in _of_tag(tag):
            found.setdefault(slug)
        for css in (tag.text if tag.name == "style" else "", tag.attributes.get("style", "")):
            for rule in read_css(css):
                if rule not in seen:
                    seen.add(rule)
                    found.update(dict.fromkeys(_of_rule(rule)))
    return {slug: None for slug in found if slug in known}


def _of_tag(tag: Tag) -> Iterator[str]:
    yield _ELEMENTS.get(tag.name, f"html-{tag.name}")
    kind = tag.attributes.get("type", "").lower()
    if tag.name == "input" and (kind or "text") in _INPUTS:
        yield f"html-input-{kind or 'text'}"
    elif tag.name == "button":
        yield f"html-button-{kind or 'submit'}"
    for name, value in tag.attributes.items():
        if name in _ATTRIBUTES:
            yield _ATTRIBUTES[name]
        if name == "href" and value.startswith("#"):
            yield "html-anchor-links"
        elif name == "href" and value.lower().startswith("mailto:"):
            yield "html-mailto-links"
        elif name == "name" and tag.name == "meta" and "color-scheme" in value.lower():
            yield "html-meta-color-scheme"
    if tag.name == "img":
        yield from _of_image(tag.attributes.get("src", ""))


def _of_image(source: str) -> Iterator[str]:
    if match := _DATA_IMAGE.match(source):
        yield "image-base64"
    else:
        match = _IMAGE_NAME.search(source)
    if match:
        kind = match[1].lower()
        yield _IMAGES.get(kind, f"image-{'tiff' if kind == 'tif' else kind}")


def _of_rule(rule: Rule) -> Iterator[str]:
    if rule.kind == "at":
        yield f"css-at-{rule.name}"
        if rule.name == "media":
            yield from (slug for slug, feature in _IN_MEDIA.items() if feature in rule.text)
    elif rule.kind == "selector":
        text = rule.text[:2000].lower()
        yield from (slug for slug, pattern in _PATTERNS["selector"].items() if pattern.search(text))
    else:
        yield _PROPERTIES.get(rule.name, f"css-{rule.name}")
        if rule.name.startswith("--"):
            yield "css-variables"
        value = rule.text[:2000]
        if slug := _VALUES.get((rule.name, value.removesuffix("!important").strip())):
            yield slug
        yield from (slug for slug, pattern in _PATTERNS["value"].items() if pattern.search(value))
