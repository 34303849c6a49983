"""Those who compose: each takes the values of a mail and returns octets, as its documentation says."""

from __future__ import annotations

import io
from email.message import EmailMessage, MIMEPart
from email.mime.application import MIMEApplication
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTP, compat32
from email.utils import formataddr, formatdate, make_msgid
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NamedTuple

from modernmail import Attachment, Message

from .mails import FROM

if TYPE_CHECKING:
    from collections.abc import Callable

    from .mails import Mail

OURS = "modernmail"
SENDER = formataddr(FROM)


class Peer(NamedTuple):
    """A contender: its name, its version, what it does with a mail, and which mails it is asked for."""

    name: str
    version: str
    compose: Callable[[Mail], bytes]
    mails: tuple[str, ...] = ("M1", "M2", "M3", "M4")


def ours(mail: Mail, **options: Any) -> Message:
    """Return a mail as a `Message`."""
    message = Message(
        mail.subject,
        mail.text,
        mail.html,
        from_email=SENDER,
        to=mail.people,
        **options,
    )
    if mail.inline is not None:
        message.embed("logo", mail.inline, "image/png")
    if mail.file is not None:
        message.attach(*mail.file)
    return message


def with_known_files() -> Callable[[Mail], bytes]:
    """Return a composer that attaches the same `Attachment` objects each time."""
    known: dict[str, list[Attachment]] = {}

    def compose(mail: Mail) -> bytes:
        files = known.get(mail.name)
        if files is None:
            files = known[mail.name] = list(ours(mail).attachments)
        return ours(mail._replace(inline=None, file=None), attachments=files).as_bytes()

    return compose


def standard(mail: Mail) -> bytes:
    """EmailMessage under the SMTP policy."""
    return standard_message(mail).as_bytes()


def standard_message(mail: Mail) -> EmailMessage:
    """Return an EmailMessage under the SMTP policy."""
    message = EmailMessage(policy=SMTP)
    message["Subject"], message["From"] = mail.subject, SENDER
    message["To"] = ", ".join(formataddr(pair, "utf-8") for pair in mail.to)
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="example.com")
    message.set_content(mail.text)
    if mail.html is not None:
        message.add_alternative(mail.html, subtype="html")
    if mail.inline is not None:
        message.get_payload()[1].add_related(mail.inline, "image", "png", cid="<logo>")
    if mail.file is not None:
        name, octets, kind = mail.file
        message.add_attachment(octets, *kind.split("/"), filename=name)
    return message


def legacy(mail: Mail) -> bytes:
    """The MIME classes of before."""
    root: Any = MIMEText(mail.text, "plain", "utf-8")
    if mail.html is not None:
        root = MIMEMultipart("alternative", None, [root, MIMEText(mail.html, "html", "utf-8")])
    if mail.inline is not None:
        image = MIMEImage(mail.inline, "png")
        image["Content-ID"] = "<logo>"
        image["Content-Disposition"] = "inline"
        root = MIMEMultipart("related", None, [root, image])
    if mail.file is not None:
        name, octets, kind = mail.file
        part = MIMEApplication(octets, kind.split("/")[1])
        part.add_header("Content-Disposition", "attachment", filename=name)
        root = MIMEMultipart("mixed", None, [root, part])
    root["Subject"], root["From"] = mail.subject, SENDER
    root["To"] = ", ".join(formataddr(pair, "utf-8") for pair in mail.to)
    root["Date"], root["Message-ID"] = formatdate(), make_msgid(domain="example.com")
    octets: bytes = root.as_bytes(policy=compat32.clone(linesep="\r\n"))
    return octets


def django_like(kind: Any, with_policy: bool) -> Callable[[Mail], bytes]:
    """EmailMultiAlternatives of Django, or of a library that took it over."""

    def compose(mail: Mail) -> bytes:
        people = mail.people if with_policy else [formataddr(pair, "utf-8") for pair in mail.to]
        message = kind(mail.subject, mail.text, SENDER, people)
        if mail.html is not None:
            message.attach_alternative(mail.html, "text/html")
        if mail.inline is not None:
            if with_policy:
                image: Any = MIMEPart()
                image.set_content(mail.inline, "image", "png", disposition="inline", cid="<logo>")
            else:
                image = MIMEImage(mail.inline, "png")
                image["Content-ID"], image["Content-Disposition"] = "<logo>", "inline"
            message.attach(image)
        if mail.file is not None:
            message.attach(*mail.file)
        octets: bytes = (
            message.message(policy=SMTP).as_bytes()
            if with_policy
            else message.message().as_bytes(linesep="\r\n")
        )
        return octets

    return compose


def redmail(mail: Mail) -> bytes:
    """EmailSender.get_message."""
    from redmail import EmailSender

    sender = _known.setdefault("redmail", EmailSender("localhost", 25, use_jinja=False))
    message = sender.get_message(
        subject=mail.subject,
        sender=SENDER,
        receivers=[formataddr(pair, "utf-8") for pair in mail.to],
        text=mail.text,
        html=mail.html,
        attachments=None if mail.file is None else {mail.file[0]: mail.file[1]},
    )
    if mail.inline is not None:
        html = next(part for part in message.walk() if part.get_content_type() == "text/html")
        html.add_related(mail.inline, "image", "png", cid="<logo>")
    octets: bytes = message.as_bytes(policy=SMTP)
    return octets


def yagmail(mail: Mail) -> bytes:
    """prepare_message."""
    from yagmail.headers import resolve_addresses
    from yagmail.message import prepare_message

    contents: list[Any] = [mail.text] if mail.html is None else [mail.text, mail.html]
    files = []
    if mail.file is not None:
        file = io.BytesIO(mail.file[1])
        file.name = mail.file[0]
        files = [file]
    to = [formataddr(pair, "utf-8") for pair in mail.to]
    addresses = resolve_addresses(FROM[1], FROM[0], to, None, None)
    message = prepare_message(
        *FROM[::-1], addresses, mail.subject, contents, files, None, "utf-8", prettify_html=False
    )
    return message.as_bytes(policy=compat32.clone(linesep="\r\n"))


def python_emails(mail: Mail) -> bytes:
    """emails.Message."""
    import emails

    message = emails.Message(
        subject=mail.subject, text=mail.text, html=mail.html, mail_from=FROM, mail_to=mail.to
    )
    message.message_id = emails.MessageID(domain="example.com")
    if mail.inline is not None:
        message.attach(filename="logo", data=mail.inline, content_disposition="inline", mime_type="image/png")
    if mail.file is not None:
        message.attach(filename=mail.file[0], data=mail.file[1], mime_type=mail.file[2])
    octets: bytes = message.as_message().as_bytes(linesep="\r\n")
    return octets


_known: dict[str, Any] = {}


def peers() -> tuple[list[Peer], list[str]]:
    """Return the contenders that are installed, ours first, and what to install for the others."""
    import platform

    from modernmail import __version__

    python = platform.python_version()
    found = [
        Peer(OURS, __version__, lambda mail: ours(mail).as_bytes()),
        Peer(
            f"{OURS}, base64 bodies",
            __version__,
            lambda mail: ours(mail, body_encoding="base64").as_bytes(),
            ("M2",),
        ),
        Peer(f"{OURS}, files seen before", __version__, with_known_files(), ("M3", "M4")),
        Peer(
            f"{OURS}, by way of `EmailMessage`",
            __version__,
            lambda mail: bytes(ours(mail).as_email_message()),
        ),
        Peer("`EmailMessage(policy=SMTP)`", python, standard),
        Peer("`MIMEText`, `MIMEMultipart` …", python, legacy),
    ]
    missing = []
    for name, package, make in (
        ("Django", "django>=6", _django),
        ("redmail", "redmail", lambda: redmail),
        ("yagmail", "yagmail", lambda: yagmail),
        ("python-emails", "emails", lambda: python_emails),
        ("Flask-Mailman", "flask-mailman", _mailman),
    ):
        there = version_of(*package.split(">="))
        if there is None:
            missing.append(f"pip install {package}")
        else:
            found.append(Peer(name, there, make()))
    return found, missing


def version_of(distribution: str, least: str = "0") -> str | None:
    """Return the version of a distribution, None when it is not installed or older than `least`."""
    try:
        there = version(distribution)
    except PackageNotFoundError:
        return None
    return there if int(there.partition(".")[0]) >= int(least) else None


def set_django_up() -> str | None:
    """Make Django ready; return its version, None without Django 6."""
    there = version_of("django", "6")
    if there is not None:
        from django.conf import settings

        if not settings.configured:
            settings.configure(USE_I18N=False)
    return there


def _django() -> Callable[[Mail], bytes]:
    set_django_up()
    from django.core.mail import EmailMultiAlternatives

    return django_like(EmailMultiAlternatives, with_policy=True)


def _mailman() -> Callable[[Mail], bytes]:
    from flask import Flask
    from flask_mailman import EmailMultiAlternatives
    from flask_mailman import Mail as Extension

    app = Flask("benchmark")
    Extension(app)
    app.app_context().push()
    return django_like(EmailMultiAlternatives, with_policy=False)
