"""`OAuth2Provider`: keeps a token, and lets one caller fetch the next for all, threads and tasks alike.

The wires call it: blocking ones as a function, asyncio ones by `atoken`; both tell it by `refused` that a server did not
take its token.

Rules of the file: one request at a time, in a thread of its own, so that a caller that is cancelled or out of patience
takes nobody else's token along; each waiter gets an exception of its own; nothing secret is shown, logged or pickled.
"""

from __future__ import annotations

import os
from binascii import b2a_base64
from concurrent.futures import Future
from threading import Lock, Thread
from time import monotonic

from ..errors import ConfigurationError, ConnectFailed, DeliveryError
from ..forks import after_fork
from .given import checked_url, required, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn, TypeAlias

    Flight: TypeAlias = Future[str]

_UNSAID = 300.0  # seconds a token is kept when the answer does not say how long it is good


class OAuth2Provider:
    """A source of access tokens: call it for one; `atoken()` is the same under asyncio.

    `token_url` is https. `client_auth` says how the client proves itself: `"post"` in the form, `"basic"` in a header.
    `margin` are the seconds before its end at which a token is replaced, which clocks may differ by; `timeout` bounds one
    request in seconds, `ca` is a PEM file of authorities to trust instead of the system's, `extra` are further fields of the
    form. `http_on_loopback=True` lets a test's endpoint on this machine go without TLS.
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: str | None,
        *,
        scope: str | None = None,
        client_auth: str = "post",
        margin: float = 60.0,
        timeout: float = 30.0,
        ca: str | os.PathLike[str] | None = None,
        extra: Mapping[str, str] | None = None,
        http_on_loopback: bool = False,
    ) -> None:
        self._host = checked_url(token_url, http_on_loopback=http_on_loopback)
        self._token_url = token_url
        self._client_id = required("client_id", client_id)
        self._client_secret = None if client_secret is None else required("client_secret", client_secret)
        self._scope = None if scope is None else required("scope", scope)
        if client_auth not in ("post", "basic"):
            raise ConfigurationError(f"client_auth={client_auth!r}: must be post or basic")
        if client_auth == "basic" and client_secret is None:
            raise ConfigurationError('client_auth="basic" needs a client_secret')
        self._client_auth = client_auth
        self._margin = seconds("margin", margin, least=0.0)
        self._timeout = seconds("timeout", timeout, least=0.001)
        self._ca = None if ca is None else os.fspath(ca)
        if self._ca is not None and not os.path.isfile(self._ca):  # noqa: PTH113  # no pathlib for one look
            raise ConfigurationError(f"ca={self._ca!r}: there is no such file of certificates")
        self._extra = dict(extra or {})
        self._token: str | None = None
        self._fresh_until = 0.0
        self._begin()
        after_fork(self, OAuth2Provider._begin)

    def _begin(self) -> None:
        """Begin without a request under way: also in a forked child, where it is the parent's, as who holds the lock may be."""
        self._lock = Lock()
        self._flight: Flight | None = None

    def _form(self) -> dict[str, str]:
        """Return the fields of the request that the grant asks for."""
        raise NotImplementedError

    def _took(self, answer: Mapping[str, Any]) -> None:
        """Keep what an answer says besides its token."""

    def _secrets(self) -> tuple[str, ...]:
        return (self._client_secret or "",)

    # -- what wires call ---------------------------------------------------------------------------------------

    def __call__(self) -> str:
        """Return a token that is good for `margin` seconds at least; blocks while one is fetched.

        Raises `AuthenticationFailed`, `ConnectFailed` or `SecurityFailed`.
        """
        found = self._found()
        if isinstance(found, str):
            return found
        try:
            return found.result(self._timeout + 1.0)
        except TimeoutError:
            raise self._late(found) from None
        except DeliveryError as error:
            raise _own(error) from None

    async def atoken(self) -> str:
        """Return a token as a call does, without blocking the event loop."""
        found = self._found()
        if isinstance(found, str):
            return found
        import asyncio

        waiter = asyncio.wrap_future(found)
        try:
            done, _ = await asyncio.wait((waiter,), timeout=self._timeout + 1.0)
            if not done:
                raise self._late(found)
            return waiter.result()
        except DeliveryError as error:
            raise _own(error) from None
        finally:
            waiter.cancel()

    def refused(self, token: str) -> None:
        """Forget this token: a server did not take it, though its time is not over. Another one is kept."""
        with self._lock:
            if self._token == token:
                self._token = None

    # -- one request for all -----------------------------------------------------------------------------------

    def _found(self) -> str | Flight:
        """Return the token that is there, else the request under way, which is begun when there is none."""
        with self._lock:
            if self._token is not None and monotonic() < self._fresh_until:
                return self._token
            flight = self._flight
            if flight is not None:
                return flight
            flight = self._flight = Future()
            flight.set_running_or_notify_cancel()  # from here on no waiter can cancel it for the others
            try:
                Thread(target=self._fetch, args=(flight,), daemon=True, name="modernmail OAuth2").start()
            except RuntimeError:
                pass  # no thread can be had, as in the last steps of an interpreter, or in one of several: fetched here
            else:
                return flight
        self._fetch(flight)
        return flight

    def _fetch(self, flight: Flight) -> None:
        try:
            token, fresh_until = self._fetched()
        except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
            with self._lock:
                if self._flight is flight:
                    self._flight = None
            flight.set_exception(error)
            return
        with self._lock:
            self._token, self._fresh_until = token, fresh_until
            if self._flight is flight:
                self._flight = None
        flight.set_result(token)

    def _fetched(self) -> tuple[str, float]:
        from .endpoint import asked

        form = {**self._extra, **self._form()}
        headers: dict[str, str] = {}
        if self._scope is not None:
            form["scope"] = self._scope
        if self._client_auth == "basic":
            headers["Authorization"] = f"Basic {self._basic()}"
        else:
            form["client_id"] = self._client_id
            if self._client_secret is not None:
                form["client_secret"] = self._client_secret
        began = monotonic()
        answer = asked(
            self._token_url,
            form,
            headers=headers,
            timeout=self._timeout,
            ca=self._ca,
            secrets=self._secrets(),
        )
        self._took(answer)
        life = _life(answer.get("expires_in"))
        # Of a short life at least half is used: a margin longer than that would fetch a token for each connection.
        token: str = answer["access_token"]
        return token, began + max(life - self._margin, life / 2)

    def _basic(self) -> str:
        from urllib.parse import quote_plus

        # RFC 6749 2.3.1: both are form-encoded first
        pair = f"{quote_plus(self._client_id)}:{quote_plus(self._client_secret or '')}"
        return b2a_base64(pair.encode("ascii"), newline=False).decode("ascii")

    def _late(self, flight: Flight) -> ConnectFailed:
        """Give a request up that takes longer than its time; the next caller begins another."""
        with self._lock:
            if self._flight is flight:
                self._flight = None
        return ConnectFailed(
            f"the token endpoint {self._host} gave no answer within {self._timeout:g} s", is_transient=True
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self._host}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds secrets and is not pickled")


def _life(said: object) -> float:
    """Return how long a token is good; some endpoints write the number as text."""
    try:
        life = float(said) if isinstance(said, (int, float, str)) and not isinstance(said, bool) else _UNSAID
    except ValueError:
        life = _UNSAID
    return life if 0 <= life < 1e9 else _UNSAID


def _own(error: DeliveryError) -> DeliveryError:
    """Return another of the same error: who catches one writes a receipt into it."""
    return type(error)(str(error), is_transient=error.is_transient)
