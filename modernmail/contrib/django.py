"""Django's own mail, sent by our mailers: `EMAIL_BACKEND = "modernmail.contrib.django.EmailBackend"`.

Django composes, as its users and its subclasses of `EmailMessage` expect; here the mail gets its envelope, and goes
through the layers, the pool and the checks of the mailer that `modernmail.configure` named.

Rules of the file: no connection is opened here; one bad mail never costs the others theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modernmail import Envelope, mailers
from modernmail.address import Address
from modernmail.errors import ConfigurationError, InvalidMessage, MailError
from modernmail.message import Message

try:
    from django.core.mail.backends.base import BaseEmailBackend
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] != "django":
        raise
    raise ConfigurationError(
        "modernmail.contrib.django needs Django: pip install 'modernmail[django]'"
    ) from missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.core.mail import EmailMessage

    from modernmail.mailer import Mailer
    from modernmail.parcel import Parcel


class EmailBackend(BaseEmailBackend):  # type: ignore[misc]  # Django has no types
    """A backend of Django that hands its mail to the mailer named `using`.

    `using` is a name that `modernmail.configure` knows, "default" without one; Django's `MAILERS` (6.1) gives it in
    `OPTIONS`. Host, port, user name and password belong to the mailer: given here, as by `get_connection(host=…)`, they
    are a `ConfigurationError`, for the mail would go elsewhere than its author says.
    """

    def __init__(
        self,
        fail_silently: bool = False,
        *,
        using: str = "default",
        username: str | None = None,
        password: str | None = None,
        **options: Any,
    ) -> None:
        if "alias" not in options:  # of what MAILERS says, Django itself refuses what nobody knows
            known = {"_ignore_unknown_kwargs", *(options.get("_ignore_unknown_kwargs") or ())}
            unknown = [name for name in options if name not in known]
            if unknown:
                raise ConfigurationError(
                    f"no such option as {unknown[0]!r}: where mail goes is said with the mailer, "
                    "modernmail.configure({'default': 'smtp://…'}), and using= names one"
                )
        super().__init__(**options)
        if username is not None or password is not None:
            raise ConfigurationError(
                "user name and password go with the mailer: modernmail.configure({'default': {'url': …, "
                "'username': …, 'password': …}})"
            )
        self.fail_silently = fail_silently
        self.using = using

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send all of them over one connection; return how many somebody was accepted of.

        When a mail was accepted for nobody, its error is raised after all were tried, unless `fail_silently`; of one that
        Django cannot compose, Django's own error.
        """
        if not email_messages:
            return 0
        mailer = mailers[self.using]
        sent = 0
        failure: MailError | None = None
        try:
            with mailer.send_many(_parcels(mailer, email_messages)) as sending:
                for receipt in sending:
                    if receipt.accepted:
                        sent += 1
                    elif failure is None:
                        failure = receipt.error
        except MailError as error:
            failure = error
        if failure is not None and not self.fail_silently:
            raise failure.djangos if isinstance(failure, NotComposed) else failure
        return sent


class NotComposed(InvalidMessage):
    """Django, or a subclass of its message, could not compose a mail: `djangos` is that error, which its callers know."""

    def __init__(self, djangos: Exception) -> None:
        super().__init__("message", None, str(djangos))
        self.djangos = djangos


def _parcels(mailer: Mailer, messages: Sequence[EmailMessage]) -> Iterator[Parcel | MailError]:
    for message in messages:
        try:
            recipients = _by_django(message.recipients)
            if not recipients:
                continue  # Django sends such a mail nowhere, and says nothing
            envelope = Envelope(
                Address.of(str(message.from_email), "from_email").addr_spec,
                [Address.of(str(recipient), "recipients") for recipient in recipients],
            )
            composed = _by_django(message.message)
            yield mailer.parcel(Message.from_email_message(composed), envelope)
        except MailError as error:
            yield error


def _by_django(compose: Callable[[], Any]) -> Any:
    """Return what Django, or a subclass of its message, makes; whatever it raises is this mail's alone."""
    try:
        return compose()
    except Exception as error:  # a line end in a header, an unknown encoding, a body of octets, a template …
        raise NotComposed(error) from error
