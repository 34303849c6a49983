"""The elements of HTML, as far as plain text needs to know them: which end by themselves, stand apart, or are not seen.

Called by `plaintext`.
"""

from __future__ import annotations

from ..reading.markup import RAW_TEXT

VOID = frozenset(
    (
        *("area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img", "input", "link"),
        *("meta", "param", "source", "track", "wbr"),
    )
)
BLOCKS = {
    **dict.fromkeys(("p", "h1", "h2", "h3", "h4", "h5", "h6", "dl", "figure", "fieldset", "center"), 2),
    **dict.fromkeys(
        (
            *("address", "article", "aside", "body", "caption", "div", "dt", "figcaption", "footer", "form"),
            *("header", "legend", "main", "nav", "option", "section", "summary", "tbody", "tfoot", "thead"),
        ),
        1,
    ),
}
UNSHOWN = RAW_TEXT | {"audio", "canvas", "datalist", "math", "object", "select", "svg", "template", "video"}
LISTS = frozenset(("ul", "ol", "menu", "dir"))
CELLS = frozenset(("td", "th"))
# Which start tag ends which element of the same depth (WHATWG 13.1.2.4)
ENDED_BY = {
    "li": frozenset(("li",)),
    "p": frozenset((*BLOCKS, *LISTS, "blockquote", "hr", "pre", "table")),
    "dt": frozenset(("dt", "dd")),
    "dd": frozenset(("dt", "dd")),
    "td": frozenset(("td", "th", "tr", "tbody", "tfoot")),
    "th": frozenset(("td", "th", "tr", "tbody", "tfoot")),
    "tr": frozenset(("tr", "tbody", "tfoot")),
    "option": frozenset(("option",)),
}


def is_hidden(attributes: dict[str, str]) -> bool:
    """Whether a person would not see the element, as far as it says so itself."""
    if "hidden" in attributes:
        return True
    style = attributes.get("style", "")
    if not style:
        return False
    rules: dict[str, str] = {}
    for rule in style.lower().split(";"):
        name, _, value = rule.partition(":")
        rules[name.strip()] = value.replace("!important", "").strip()
    if (
        rules.get("display") == "none"
        or rules.get("visibility") == "hidden"
        or rules.get("mso-hide") == "all"
    ):
        return True
    if _is_zero(rules.get("opacity")):
        return True
    is_cut = rules.get("overflow") == "hidden"
    return is_cut and any(
        _is_zero(rules.get(name)) for name in ("max-height", "height", "max-width", "width")
    )


def _is_zero(value: str | None) -> bool:
    return value is not None and value.rstrip("pxemrt%").strip("0.") == "" and "0" in value
