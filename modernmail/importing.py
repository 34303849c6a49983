"""`Mailer.from_…`: mailers from the configuration that another library left behind.

`Mailer` inherits it.

Rules of the file: each form reads its settings with the meaning they have there; TLS that was optional is required, and what
would send in clear, or to an unverified server, is an error that names `tls` or `verify`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self

    from .importers.server import Imported


class Importing:
    """The ways in from other libraries.

    In each, `tls` (`"opportunistic"`, `"off"`) and `verify` (`False`) allow what is less safe, and `options` are further
    arguments of `Mailer`. All raise `ConfigurationError`, naming the setting.
    """

    @classmethod
    def from_django_settings(
        cls,
        settings: object = None,
        *,
        using: str = "default",
        tls: str | None = None,
        verify: bool | None = None,
        **options: Any,
    ) -> Self:
        """Return the mailer that Django's settings describe: `MAILERS[using]`, else `EMAIL_*`, and `DEFAULT_FROM_EMAIL`.

        `settings` is a module, an object or a mapping; by default `django.conf.settings`.

        >>> from modernmail import Mailer
        >>> settings = {"EMAIL_HOST": "mail.example.com", "EMAIL_PORT": 587, "EMAIL_USE_TLS": True}
        >>> Mailer.from_django_settings(settings).backend
        <SMTPBackend mail.example.com:587>
        """
        from .importers.django import imported
        from .importers.server import Allowed

        return cls._of(imported(settings, using=using, allowed=Allowed(tls, verify)), options)

    @classmethod
    def from_flask_config(
        cls, config: Mapping[str, Any], *, tls: str | None = None, verify: bool | None = None, **options: Any
    ) -> Self:
        """Return the mailer that `app.config` describes by the `MAIL_*` of Flask-Mail or Flask-Mailman.

        >>> from modernmail import Mailer
        >>> Mailer.from_flask_config({"MAIL_SERVER": "mail.example.com", "MAIL_PORT": 465, "MAIL_USE_SSL": True}).backend
        <SMTPBackend mail.example.com:465>
        """
        from .importers.flask import imported
        from .importers.server import Allowed

        return cls._of(imported(config, allowed=Allowed(tls, verify)), options)

    @classmethod
    def from_fastapi_mail(
        cls, config: object, *, tls: str | None = None, verify: bool | None = None, **options: Any
    ) -> Self:
        """Return the mailer that a `ConnectionConfig` of fastapi-mail, or a mapping of its names, describes."""
        from .importers.fastapi import imported
        from .importers.server import Allowed

        return cls._of(imported(config, allowed=Allowed(tls, verify)), options)

    @classmethod
    def from_email_url(
        cls, url: str | None = None, *, tls: str | None = None, verify: bool | None = None, **options: Any
    ) -> Self:
        """Return the mailer of an `EMAIL_URL` as dj-email-url and django-environ read it; by default the environment's.

        There `smtps://` means STARTTLS, and `smtp://` no TLS.

        >>> from modernmail import Mailer
        >>> Mailer.from_email_url("smtps://user:secret@mail.example.com:587").backend.settings.tls
        'required'
        """
        from .importers.email_url import imported
        from .importers.server import Allowed

        return cls._of(imported(url, allowed=Allowed(tls, verify)), options)

    @classmethod
    def from_mailer_dsn(
        cls, dsn: str | None = None, *, tls: str | None = None, verify: bool | None = None, **options: Any
    ) -> Self:
        """Return the mailer of a `MAILER_DSN` as Symfony reads it; by default the environment's.

        There `smtp://` without a port means TLS from the first octet on port 465, and STARTTLS when it is offered with
        one, which is required here.

        >>> from modernmail import Mailer
        >>> Mailer.from_mailer_dsn("failover(smtp://a.example.com:587 smtps://b.example.com)").backend
        <Failover(SMTPBackend a.example.com:587, SMTPBackend b.example.com:465)>
        """
        from .importers.mailer_dsn import imported
        from .importers.server import Allowed

        return cls._of(imported(dsn, allowed=Allowed(tls, verify)), options)

    @classmethod
    def _of(cls, found: Imported, options: dict[str, Any]) -> Self:
        return cls(found.backend, **found.arguments(options))  # type: ignore[call-arg]
