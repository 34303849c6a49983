"""The words of a policy: Django's constants, and every directive and quoted keyword of CSP Level 3."""

from __future__ import annotations

from enum import StrEnum


class CSP(StrEnum):
    """The values of directives that are easily misspelt, under Django's names.

    They are strings, quotes included. `NONCE` is a placeholder: the middlewares put the request's nonce
    there, or drop it when nothing asked for the nonce.

    >>> CSP.SELF == "'self'"
    True
    """

    HEADER_ENFORCE = "Content-Security-Policy"
    HEADER_REPORT_ONLY = "Content-Security-Policy-Report-Only"

    NONE = "'none'"
    REPORT_SAMPLE = "'report-sample'"
    SELF = "'self'"
    STRICT_DYNAMIC = "'strict-dynamic'"
    UNSAFE_EVAL = "'unsafe-eval'"
    UNSAFE_HASHES = "'unsafe-hashes'"
    UNSAFE_INLINE = "'unsafe-inline'"
    WASM_UNSAFE_EVAL = "'wasm-unsafe-eval'"

    NONCE = "<CSP_NONCE_SENTINEL>"  # Django's, so that its settings can be used here


DIRECTIVES = frozenset(
    {
        # fetch directives, CSP 3 section 6.1
        *("child-src", "connect-src", "default-src", "fenced-frame-src", "font-src", "frame-src", "img-src"),
        *("manifest-src", "media-src", "object-src", "prefetch-src", "script-src", "script-src-elem"),
        *("script-src-attr", "style-src", "style-src-elem", "style-src-attr", "webrtc", "worker-src"),
        # document, navigation and reporting directives, sections 6.3 to 6.5
        *("base-uri", "sandbox", "form-action", "frame-ancestors", "report-uri", "report-to"),
        # other specifications
        *(
            "block-all-mixed-content",
            "require-trusted-types-for",
            "trusted-types",
            "upgrade-insecure-requests",
        ),
    }
)

KEYWORDS = frozenset(
    {
        *(str(word) for word in CSP if word.startswith("'")),
        *("'allow'", "'block'"),  # webrtc
        *("'allow-duplicates'", "'script'", "'trusted-types-eval'"),  # Trusted Types
        *("'inline-speculation-rules'", "'unsafe-allow-redirects'", "'unsafe-webtransport-hashes'"),
        *("'report-sha256'", "'report-sha384'", "'report-sha512'"),
    }
)
