"""Domain names of mail: what may stand after the `@`, and the A-label form that goes on the wire.

Rules of the file: ASCII labels are letters, digits, `-` and `_`, and stay as they were written; other labels
go through `idna` (UTS-46, non-transitional), imported when the first of them is met. Nothing is looked up.
"""

from __future__ import annotations

from ..errors import InvalidAddress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LABEL: Final = _LETTERS + b"0123456789-_"
_DOTTED: Final = _LABEL + b"."
_IDEOGRAPHIC_DOTS: Final = "\u3002\uff0e\uff61"  # UTS-46 2.3: these separate labels too
_LONGEST: Final = 253  # RFC 1035 2.3.4: 255 octets on the wire

_KNOWN: dict[str, str] = {}  # a sender meets the same few domains again and again
_KNOWN_MOST: Final = 4096


def domain_ascii(domain: str) -> str:
    """Return the form of `domain` that goes on the wire: A-labels, ASCII labels as they were written.

    `domain` is a domain name or a literal in brackets (`[192.0.2.1]`, `[IPv6:2001:db8::1]`). Raises
    `InvalidAddress` with the reason: an empty label, one over 63 octets, a domain over 253, a character that
    no host name has, a last label that is a number, a label that IDNA refuses.

    >>> domain_ascii("Example.com"), domain_ascii("bücher.example"), domain_ascii("faß.de")
    ('Example.com', 'xn--bcher-kva.example', 'xn--fa-hia.de')
    """
    known = _KNOWN.get(domain)
    if known is not None:
        return known
    ascii_form = _checked(domain)
    if len(_KNOWN) >= _KNOWN_MOST:
        _KNOWN.clear()
    _KNOWN[domain] = ascii_form
    return ascii_form


def _checked(domain: str) -> str:
    if not domain:
        raise InvalidAddress("domain", domain, "the domain is missing")
    if domain[0] == "[":
        _check_literal(domain)
        return domain
    if len(domain) > _LONGEST:
        raise InvalidAddress("domain", domain, f"the domain is over {_LONGEST} octets")
    if domain.isascii():
        if domain.encode("ascii").translate(None, _DOTTED):
            raise InvalidAddress("domain", domain, _why_not(domain))
        labels = domain.split(".")
    else:
        dotted = domain
        for dot in _IDEOGRAPHIC_DOTS:
            dotted = dotted.replace(dot, ".")
        labels = [label if label.isascii() else _a_label(label, domain) for label in dotted.split(".")]
    for label in labels:
        _check_label(label, domain)
    if len(labels) > 1:
        _check_last(labels[-1], domain)
    ascii_form = ".".join(labels)
    if len(ascii_form) > _LONGEST:
        raise InvalidAddress("domain", domain, f"the domain is over {_LONGEST} octets in its ASCII form")
    return ascii_form


def _check_label(label: str, domain: str) -> None:
    if not label:
        raise InvalidAddress("domain", domain, "a label is empty: a dot at the start, at the end, or doubled")
    if label.encode("ascii").translate(None, _LABEL):
        raise InvalidAddress("domain", domain, _why_not(label))
    if len(label) > 63:  # RFC 1035 2.3.4
        raise InvalidAddress("domain", domain, f"the label {label[:20]}… is over 63 octets")
    if label[0] == "-" or label[-1] == "-":
        raise InvalidAddress("domain", domain, f"the label {label!r} starts or ends with a hyphen")
    if label[:4].lower() == "xn--" and not _is_a_label(label[4:]):
        raise InvalidAddress("domain", domain, f"the label {label!r} is not Punycode")


def _check_last(label: str, domain: str) -> None:
    # Four numbers are an IP address and belong in brackets; no top-level domain ends like `tld-2`.
    if label.isdecimal():
        raise InvalidAddress(
            "domain", domain, "the last label is a number; write an IP address as [192.0.2.1]"
        )
    if "-" in label and not label[-1].isalpha() and label[:4].lower() != "xn--":
        raise InvalidAddress("domain", domain, f"no top-level domain looks like {label!r}")


def _is_a_label(encoded: str) -> bool:
    try:
        decoded = encoded.encode("ascii").decode("punycode")
        return not decoded.isascii() and decoded.encode("punycode").decode("ascii").lower() == encoded.lower()
    except UnicodeError:
        return False


def _a_label(label: str, domain: str) -> str:
    import idna

    try:
        mapped = [idna.uts46_remap(char, std3_rules=False) for char in label]
        if "" in mapped:
            code = ord(label[mapped.index("")])
            raise InvalidAddress("domain", domain, f"the invisible character U+{code:04X} stands in it")
        remapped = idna.uts46_remap(label, std3_rules=False)
        return remapped if remapped.isascii() else idna.alabel(remapped).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        reason = "a lone surrogate" if isinstance(error, UnicodeError) and _is_torn(label) else str(error)
        raise InvalidAddress("domain", domain, f"not an internationalised domain name: {reason}") from None


def _is_torn(label: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in label)


def _why_not(text: str) -> str:
    from .characters import describe

    bad = next(char for char in text if char.encode("ascii").translate(None, _DOTTED))
    if bad in " \t":
        return "white space stands in the domain"
    if bad in "()":
        return "comments are refused"
    if bad in ",;":
        return f"{describe(bad)} in the domain: pass several addresses as a list"
    if bad == ">":
        return "text stands behind the '>': pass several addresses as a list"
    if bad == "@":
        return "more than one '@'"
    return f"{describe(bad)} cannot stand in a domain"


def _check_literal(domain: str) -> None:
    inside = domain[1:-1]
    if domain[-1] != "]" or len(domain) < 3:
        raise InvalidAddress("domain", domain, "an IP address is written [192.0.2.1] or [IPv6:2001:db8::1]")
    import ipaddress

    try:
        if inside[:5].lower() != "ipv6:":
            ipaddress.IPv4Address(inside)
        elif "%" in inside:  # a zone belongs to this host; RFC 5321 4.1.3 knows none
            raise InvalidAddress("domain", domain, "an IPv6 zone cannot stand in a domain literal")
        else:
            ipaddress.IPv6Address(inside[5:])
    except ipaddress.AddressValueError:
        reason = f"[{inside}] is no IPv4 address, and not 'IPv6:' with an IPv6 address"
        raise InvalidAddress("domain", domain, reason) from None
