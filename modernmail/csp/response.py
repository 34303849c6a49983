"""ResponsePolicy: what one response will say, between the middleware and the view."""

from __future__ import annotations

from .keywords import CSP
from .nonce import LazyNonce
from .policy import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from .policy import Config


class ResponsePolicy:
    """The policies of one response, which a view may change: `policy` is enforced, `report_only` reported.

    The middlewares put it at `scope["csp"]` and `environ["csp"]`. Set either attribute to a policy, to a
    dictionary, or to None for no header.

    >>> response = ResponsePolicy(Policy({"default-src": [CSP.SELF]}), None)
    >>> response.policy = {"default-src": [CSP.NONE]}
    >>> list(response.headers(present=()))
    [('Content-Security-Policy', "default-src 'none'")]
    """

    __slots__ = ("_policy", "_report_only", "nonce")

    def __init__(self, policy: Policy | None, report_only: Policy | None) -> None:
        self.nonce = LazyNonce()
        self._policy = policy
        self._report_only = report_only

    @property
    def policy(self) -> Policy | None:
        """The enforced policy."""
        return self._policy

    @policy.setter
    def policy(self, config: Policy | Config | None) -> None:
        self._policy = Policy.of(config)

    @property
    def report_only(self) -> Policy | None:
        """The policy whose violations are reported and allowed."""
        return self._report_only

    @report_only.setter
    def report_only(self, config: Policy | Config | None) -> None:
        self._report_only = Policy.of(config)

    def headers(self, present: Collection[str]) -> Iterator[tuple[str, str]]:
        """Give the headers to add; one named in `present` (lower case) is the view's and stays."""
        for header, policy in (
            (CSP.HEADER_ENFORCE, self._policy),
            (CSP.HEADER_REPORT_ONLY, self._report_only),
        ):
            if policy is not None and header.lower() not in present and (text := policy.render(self.nonce)):
                yield str(header), text
