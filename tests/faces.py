"""The two faces of a mailer, sync and async, by one call: a test then says what it tests once for both."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modernmail import Mailer, Message, Receipt

faces = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def send(mailer: Mailer, message: Message, *, is_async: bool) -> Receipt:
    """Send one mail, and close."""
    (receipt,) = send_each(mailer, [message], is_async=is_async)
    return receipt


def send_each(mailer: Mailer, messages: Iterable[Message], *, is_async: bool) -> list[Receipt]:
    """Send mails one after the other, each on its own, and close."""

    async def asend() -> list[Receipt]:
        async with mailer:
            return [await mailer.asend(message) for message in messages]

    if is_async:
        return asyncio.run(asend())
    with mailer:
        return [mailer.send(message) for message in messages]
