"""Checks of a finished mail: what mail programs, filters and readers will make of it, before anyone gets it.

>>> mail = b"From: a@example.com\\r\\nSubject: Hi\\r\\nContent-Type: text/html\\r\\n\\r\\n<img src=cid:x>"
>>> for finding in lint(mail):
...     print(finding.severity, finding.check)
error broken-cid
error no-date
warning no-alt
warning no-message-id
warning no-text
"""

from __future__ import annotations

from .finding import Finding
from .rules import lint
from .support import ClientSupport, Feature, Support, html_support

__all__ = ["ClientSupport", "Feature", "Finding", "Support", "html_support", "lint"]
