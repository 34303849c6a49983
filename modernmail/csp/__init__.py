"""Content Security Policy for any web application: Django's names and rules, with the mistakes refused.

`build_policy` makes the header's value from a dictionary; a `SECURE_CSP` of a Django project works as it is.
`modernmail.csp.asgi` and `modernmail.csp.wsgi` hold the middlewares and the collectors of reports.

>>> build_policy({"default-src": [CSP.SELF], "img-src": {"https:", CSP.SELF}, "object-src": CSP.NONE})
"default-src 'self'; img-src 'self' https:; object-src 'none'"

Rules of the package: it imports the standard library and `modernmail.errors` alone; a value cannot be wrong
once it is made, so a request pays for joining strings and for nothing else.
"""

from __future__ import annotations

from .keywords import CSP, DIRECTIVES
from .nonce import LazyNonce
from .policy import Policy, build_policy
from .report import Report, parse_reports
from .response import ResponsePolicy

__all__ = [
    "CSP",
    "DIRECTIVES",
    "LazyNonce",
    "Policy",
    "Report",
    "ResponsePolicy",
    "build_policy",
    "parse_reports",
]
