"""What it means when a session could not be opened: the errors of the libraries and the system as ours.

Both openings use it.

Rules of the file: what went wrong with TLS is `SecurityFailed`, all else `ConnectFailed`; what no library promises to raise
is returned as it is, and shows where it came from.
"""

from __future__ import annotations

import errno
import os
import socket
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
    system: OSError | None = None  # what the system said, beneath what a library made of it
    is_cut_off = False  # in a handshake too: a server that restarts says nothing about its TLS
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLEOFError) or (isinstance(cause, ConnectionError) and cause.errno is None):
            is_cut_off = True
        elif isinstance(cause, ssl.SSLError):
            return SecurityFailed(f"TLS with {where} failed: {_tls_text(cause, settings)}")
        elif isinstance(cause, OSError) and cause.errno is not None:
            system = cause
        cause = cause.__cause__
    if isinstance(error, WireFault):
        return ConnectFailed(f"{where}: {error.reason}", is_transient=error.kind != "protocol")
    if isinstance(error, TimeoutError):
        silence = f"no answer within {settings.timeout:g} s{_behind_silence(settings)}"
        return ConnectFailed(f"{where}: {silence}", is_transient=True)
    if is_cut_off and system is None:
        return ConnectFailed(f"{where}: the server closed the connection", is_transient=True)
    if isinstance(error, (OSError, library)):
        return ConnectFailed(f"{where}: {_system_text(system or error)}", is_transient=True)
    return error


def _system_text(error: Exception) -> str:
    """Return what the system said, and what to look at."""
    if isinstance(error, socket.gaierror):
        return f"{error_text(error)} (check the name of the host, and this machine's DNS)"
    code = getattr(error, "errno", None)
    if code == errno.ECONNREFUSED:
        return f"{os.strerror(code)} (nothing listens there: check host and port, and that the server runs)"
    # asyncio puts the address into the text, and the text of the system out of it
    return os.strerror(code) if code else error_text(error)


def _behind_silence(settings: Settings) -> str:
    """Return what a port says about a server that says nothing."""
    if settings.port == 465 and settings.tls != "implicit":
        return " (on port 465 TLS begins at once: smtps://)"
    if settings.port == 25 and not settings.is_loopback:
        return " (many networks block port 25: 587 is for programs that log in)"
    if settings.tls == "implicit" and settings.port != 465:
        return " (if TLS begins by STARTTLS there, it is smtp://)"
    return ""


def error_text(error: BaseException) -> str:
    """Return what an error says, without its number, and without the place in the code of Python's TLS."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.partition(" (_ssl.c:")[0]


def _tls_text(error: ssl.SSLError, settings: Settings) -> str:
    """Return what went wrong in words; a certificate's fault is told by the verifier."""
    verify = getattr(error, "verify_message", None)
    if verify:
        advice = ""
        if getattr(error, "verify_code", None) in _NOBODY_WE_TRUST:
            advice = " (if the authority is your own, name its file: ?ca=FILE)"
        elif getattr(error, "verify_code", None) in _ANOTHER_HOST:
            advice = " (what counts are its subjectAltNames, not its common name)"
        return f"certificate verification failed: {verify}{advice}"
    why = error.reason or error_text(error)
    if why in _NO_TLS:
        if settings.tls == "implicit":
            return f"{why} (the server does not begin with TLS: if it has STARTTLS, it is smtp://)"
        return f"{why} (what the server sent is not TLS)"
    return f"{why}{next((advice for end, advice in _BEHIND_ALERTS if why.endswith(end)), '')}"


# X509_V_ERR_…: self-signed, alone or in the chain; an issuer that is not known
_NOBODY_WE_TRUST = (18, 19, 20, 21)
_ANOTHER_HOST = (62, 64)  # for another name, for another address
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")
_BEHIND_ALERTS = (
    ("ALERT_PROTOCOL_VERSION", " (the server has no TLS 1.2 or later)"),
    ("UNSUPPORTED_PROTOCOL", " (the server has no TLS 1.2 or later)"),
    ("ALERT_CERTIFICATE_REQUIRED", " (the server wants a certificate of the client's, and we have none)"),
    (
        "ALERT_HANDSHAKE_FAILURE",
        " (the two have no cipher in common, or the server wants a certificate of the client's)",
    ),
)
