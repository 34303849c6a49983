"""What it means when a session could not be opened: the errors of the libraries and the system as ours.

Both openings use it.

Rules of the file: what went wrong with TLS is `SecurityFailed`, all else `ConnectFailed`; what no library promises to raise
is returned as it is, and shows where it came from.
"""

from __future__ import annotations

import ssl

from ...errors import ConnectFailed, DeliveryError, SecurityFailed
from ..replies import WireFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..settings import Settings


def opening_failure(
    error: Exception, settings: Settings, library: type[Exception], said: list[str]
) -> Exception:
    """Return our error for one that an opening raised; `library` is the root of what the SMTP library raises itself."""
    found = _mapped(error, settings, library)
    if isinstance(found, DeliveryError):
        found.conversation = (*said, f"! {found}") if said else ()
    return found


def _mapped(error: Exception, settings: Settings, library: type[Exception]) -> Exception:
    if isinstance(error, DeliveryError):
        return error
    where = settings.where
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return SecurityFailed(f"TLS with {where} failed: {_tls_text(cause)}")
        cause = cause.__cause__
    if isinstance(error, WireFault):
        return ConnectFailed(f"{where}: {error.reason}", is_transient=error.kind != "protocol")
    if isinstance(error, TimeoutError):
        return ConnectFailed(f"{where}: no answer within {settings.timeout:g} s", is_transient=True)
    if isinstance(error, (OSError, library)):
        return ConnectFailed(f"{where}: {error_text(error)}", is_transient=True)
    return error


def error_text(error: BaseException) -> str:
    """Return what an error says, without its number."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _tls_text(error: ssl.SSLError) -> str:
    """Return what went wrong in words; a certificate's fault is told by the verifier."""
    verify = getattr(error, "verify_message", None)
    return f"certificate verification failed: {verify}" if verify else (error.reason or str(error))
