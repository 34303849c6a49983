"""The ways to a server: by which URL, with which face, alone or in a stream."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modernmail import Mailer, Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modernmail import Parcel

FACES = ("send_many", "asend_many", "send", "asend")
_AT_ONCE = 4


@dataclass(frozen=True)
class Way:
    """One way: `name` says what is special about the URL, `face` is the method that sends."""

    name: str
    url: str
    face: str

    def go(self, parcels: Iterable[Parcel]) -> list[Receipt]:
        """Send them all and return their receipts."""
        if self.face == "send_many":
            with Mailer(self.url) as mailer:
                return list(mailer.send_many(parcels))
        if self.face == "send":
            with Mailer(self.url) as mailer:
                return [mailer.send(parcel) for parcel in parcels]
        return asyncio.run(self._ago(parcels))

    async def _ago(self, parcels: Iterable[Parcel]) -> list[Receipt]:
        pool = "" if self.url.startswith("sendmail:") else f"{'&' if '?' in self.url else '?'}pool={_AT_ONCE}"
        async with Mailer(self.url + pool) as mailer:
            if self.face == "asend_many":
                return [receipt async for receipt in mailer.asend_many(parcels)]
            turns = asyncio.Semaphore(_AT_ONCE)

            async def one(parcel: Parcel) -> Receipt:
                async with turns:
                    return await mailer.asend(parcel)

            return list(await asyncio.gather(*map(one, parcels)))

    def __str__(self) -> str:
        return f"{self.name}, {self.face}"


def ways(urls: dict[str, str], *, is_all: bool) -> list[Way]:
    """Return each URL with each face, or else with one, the faces taking turns."""
    if is_all:
        return [Way(name, url, face) for name, url in urls.items() for face in FACES]
    return [Way(name, url, FACES[turn % len(FACES)]) for turn, (name, url) in enumerate(urls.items())]
