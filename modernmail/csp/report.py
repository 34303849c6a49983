"""Reports of violations: what a browser posts, read into values.

Two forms exist: `report-uri` posts one object (`application/csp-report`), `report-to` a list of them
(`application/reports+json`). Whatever else arrives is refused, since anybody can post to a collector.
"""

from __future__ import annotations

from modernmail.errors import InvalidPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LARGEST_REPORT = 64 * 1024  # octets; a report quotes the whole policy and up to 40 characters of the page


class Report:
    """One violation. Every attribute is a string (numbers: int), empty or 0 when the browser does not say.

    `blocked_uri` is what was kept from loading (`inline`, `eval` or an address), `directive` the directive
    that said so, `disposition` is `enforce` or `report`.
    """

    __slots__ = (
        "blocked_uri", "column", "directive", "disposition", "document_uri", "line", "original_policy",
        "referrer", "sample", "source_file", "status_code",
    )  # fmt: skip

    def __init__(self, body: dict[str, Any]) -> None:
        self.blocked_uri = _text(body, "blocked-uri", "blockedURL")
        self.directive = _text(body, "effective-directive", "effectiveDirective", "violated-directive")
        self.disposition = _text(body, "disposition")
        self.document_uri = _text(body, "document-uri", "documentURL")
        self.original_policy = _text(body, "original-policy", "originalPolicy")
        self.referrer = _text(body, "referrer")
        self.sample = _text(body, "script-sample", "sample")
        self.source_file = _text(body, "source-file", "sourceFile")
        self.line = _number(body, "line-number", "lineNumber")
        self.column = _number(body, "column-number", "columnNumber")
        self.status_code = _number(body, "status-code", "statusCode")

    def __repr__(self) -> str:
        return f"Report(directive={self.directive!r}, blocked_uri={self.blocked_uri!r})"


def parse_reports(body: bytes, content_type: str) -> tuple[Report, ...]:
    """Return the violations that a browser posted; raises `InvalidPolicy` for anything else.

    Reports of other kinds in a `reports+json` list (deprecations, crashes) are left out.

    >>> body = b'{"csp-report": {"blocked-uri": "https://cdn.example/x", "violated-directive": "img-src"}}'
    >>> parse_reports(body, "application/csp-report")
    (Report(directive='img-src', blocked_uri='https://cdn.example/x'),)
    """
    import json

    kind = content_type.partition(";")[0].strip().lower()
    if len(body) > LARGEST_REPORT:
        raise InvalidPolicy("report", body[:80], f"more than {LARGEST_REPORT} octets")
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidPolicy("report", body[:80], "not JSON") from error
    if kind in {"application/csp-report", "application/json"} and isinstance(data, dict):
        bodies = [data.get("csp-report")]
    elif kind == "application/reports+json" and isinstance(data, list):
        bodies = [
            item.get("body")
            for item in data
            if isinstance(item, dict) and item.get("type") == "csp-violation"
        ]
    else:
        raise InvalidPolicy(
            "report", content_type, "neither application/csp-report nor application/reports+json"
        )
    if not all(isinstance(item, dict) for item in bodies):
        raise InvalidPolicy("report", body[:80], "no violation in it")
    return tuple(Report(item) for item in bodies if item is not None)


def _text(body: dict[str, Any], *names: str) -> str:
    value = next((body[name] for name in names if isinstance(body.get(name), str)), "")
    return str(value)


def _number(body: dict[str, Any], *names: str) -> int:
    value = next((body[name] for name in names if type(body.get(name)) is int), 0)
    return int(value)
