"""Those who build, render and send: each is given mails in new strings, and sends them over connections that it keeps."""

from __future__ import annotations

import asyncio
import json
import smtplib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from composing import nodemailer
from composing.mails import fresh
from composing.peers import SENDER, ours, standard_message
from report import seconds

from modernmail import Mailer

from .sink import HOST
from .spent import spent, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from composing.mails import Mail

    from modernmail import Message, Parcel


class Contender(NamedTuple):
    """A name, and what returns the seconds of processor time of sending a mail so many times to a port."""

    name: str
    seconds: Callable[[int, Mail, int], float]
    version: str = ""


def sent(port: int, items: Sequence[Parcel] | Iterator[Message]) -> None:
    """Send by `send_many`."""
    with Mailer(f"smtp://{HOST}:{port}") as mailer:
        tally = mailer.send_many(items).finish()
    assert not tally.problems, tally


def asent(connections: int) -> Callable[[int, Sequence[Parcel] | Iterator[Message]], None]:
    """Return what sends by `asend_many` over so many connections."""

    def send(port: int, items: Sequence[Parcel] | Iterator[Message]) -> None:
        async def main() -> None:
            async with Mailer(f"smtp://{HOST}:{port}?pool={connections}") as mailer:
                tally = await mailer.asend_many(items).finish()
            assert not tally.problems, tally

        asyncio.run(main())

    return send


def ready(send: Callable[..., None]) -> Callable[[int, Mail, int], float]:
    """Return a turn that sends parcels made before, all of them different."""

    def turn(port: int, mail: Mail, count: int) -> float:
        parcels = [ours(each).parcel() for each in anew(mail, count)]
        return seconds(lambda: send(port, parcels), spent)

    return turn


def built(send: Callable[..., None], **options: Any) -> Callable[[int, Mail, int], float]:
    """Return a turn that builds each message, renders and sends it."""

    def turn(port: int, mail: Mail, count: int) -> float:
        mails = anew(mail, count)
        return seconds(lambda: send(port, (ours(each, **options) for each in mails)), spent)

    return turn


def by_smtplib(port: int, mail: Mail, count: int) -> float:
    """Send EmailMessages by smtplib."""
    mails = anew(mail, count)

    def run() -> None:
        with smtplib.SMTP(HOST, port) as client:
            for each in mails:
                client.send_message(standard_message(each))

    return seconds(run, spent)


def by_aiosmtplib(port: int, mail: Mail, count: int) -> float:
    """Send EmailMessages by aiosmtplib, over one connection."""
    import aiosmtplib

    mails = anew(mail, count)

    async def main() -> None:
        async with aiosmtplib.SMTP(hostname=HOST, port=port, start_tls=False) as client:
            for each in mails:
                await client.send_message(standard_message(each))

    return seconds(lambda: asyncio.run(main()), spent)


def by_django(port: int, mail: Mail, count: int) -> float:
    """Send by Django's send_messages."""
    from django.core.mail import EmailMultiAlternatives, get_connection

    mails = anew(mail, count)
    backend = "django.core.mail.backends.smtp.EmailBackend"
    connection = get_connection(backend, host=HOST, port=port)

    def message(each: Mail) -> Any:
        made = EmailMultiAlternatives(each.subject, each.text, SENDER, each.people)
        if each.html is not None:
            made.attach_alternative(each.html, "text/html")
        return made

    def run() -> None:
        number = connection.send_messages([message(each) for each in mails])
        assert number == count, number

    return seconds(run, spent)


class Pool:
    """Nodemailer's pool, in a process of its own."""

    def __init__(self) -> None:
        script = Path(__file__).parent / "nodemailer.mjs"
        command = ["node", str(script), str(nodemailer.FOLDER.resolve())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        watched.add(self._process.pid)
        hello = self._answer()
        self.version = f"{hello['version']} (node {hello['node'].lstrip('v')})"

    def seconds(self, port: int, mail: Mail, count: int) -> float:
        """Return what it costs."""
        question = json.dumps({"port": port, "count": count, "mail": nodemailer.as_options(mail)})
        return seconds(lambda: self._ask(question), spent)

    def _ask(self, question: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        assert self._answer()["sent"]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def end(self) -> None:
        """End the process."""
        watched.discard(self._process.pid)
        self._process.terminate()
        self._process.communicate()


def anew(mail: Mail, count: int) -> list[Mail]:
    """Return the mail so many times, in new strings."""
    return [fresh(mail) for _ in range(count)]
