"""The ways of sending whose waiting is measured: each sends some mails through a port, and says how many it sent."""

from __future__ import annotations

import asyncio
import smtplib
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from composing.peers import standard_message

from modernmail import Mailer, Message

from .proxy import HOST, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from composing.mails import Mail


class Waited(NamedTuple):
    """What one mail cost: turnarounds counted by the proxy, and round trips' worth of time."""

    turnarounds: float
    round_trips: float


class Way:
    """A way of sending; `measure(proxy, count)` sends so many mails and returns the turnarounds and seconds it took."""

    def __init__(self, name: str, measure: Callable[[Proxy, list[Mail]], tuple[int, float]]) -> None:
        self.name = name
        self._measure = measure

    def waited(self, server_port: int, round_trip: float, mails: list[Mail]) -> Waited:
        """Return what one mail costs."""
        with Proxy(server_port, round_trip) as proxy:
            turnarounds, seconds = self._measure(proxy, mails)
        return Waited(turnarounds / len(mails), seconds / round_trip / len(mails) if round_trip else 0.0)


def message(mail: Mail) -> Message:
    """Return a mail as a message."""
    return Message(mail.subject, mail.text, from_email="shop@example.com", to=mail.people)


def many(options: str = "") -> Way:
    """`send_many`, from the connection to the last receipt."""

    def measure(proxy: Proxy, mails: list[Mail]) -> tuple[int, float]:
        messages = [message(mail) for mail in mails]
        with Mailer(f"smtp://{HOST}:{proxy.port}{options}") as mailer:
            return _taken(proxy, lambda: mailer.send_many(messages).finish(), len(mails))

    return Way(f"`send_many`{_shown(options)}", measure)


def amany(options: str = "") -> Way:
    """`asend_many`, from the connection to the last receipt."""

    def measure(proxy: Proxy, mails: list[Mail]) -> tuple[int, float]:
        messages = [message(mail) for mail in mails]

        async def main() -> tuple[int, float]:
            async with Mailer(f"smtp://{HOST}:{proxy.port}{options}") as mailer:
                began = time.monotonic()
                tally = await mailer.asend_many(messages).finish()
                assert tally.accepted == sum(len(mail.to) for mail in mails), tally
                return proxy.turnarounds, time.monotonic() - began

        return asyncio.run(main())

    return Way(f"`asend_many`{_shown(options)}", measure)


def single(options: str = "") -> Way:
    """`send`, one mail after the other on a warm pool: a first one has opened the connection."""

    def measure(proxy: Proxy, mails: list[Mail]) -> tuple[int, float]:
        messages = [message(mail) for mail in mails]
        with Mailer(f"smtp://{HOST}:{proxy.port}{options}") as mailer:
            mailer.send(messages[0])

            def run() -> None:
                for each in messages:
                    mailer.send(each)

            return _taken(proxy, run)

    return Way(f"`send` on a warm pool{_shown(options)}", measure)


def by_smtplib() -> Way:
    """smtplib's `send_message`, one after the other over a connection that is kept."""

    def measure(proxy: Proxy, mails: list[Mail]) -> tuple[int, float]:
        messages = [standard_message(mail) for mail in mails]
        with smtplib.SMTP(HOST, proxy.port) as client:
            client.ehlo()

            def run() -> None:
                for each in messages:
                    client.send_message(each)

            return _taken(proxy, run)

    return Way("smtplib, `send_message`", measure)


def _taken(proxy: Proxy, step: Callable[[], Any], count: int | None = None) -> tuple[int, float]:
    before, began = proxy.turnarounds, time.monotonic()
    result = step()
    seconds = time.monotonic() - began
    assert count is None or result.messages == count, result
    assert count is None or not result.problems, result
    return proxy.turnarounds - before, seconds


def _shown(options: str) -> str:
    return f", `{options}`" if options else ""
