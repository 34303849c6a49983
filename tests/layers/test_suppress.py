"""Suppress: addresses that are not to be mailed get nothing, the others get the mail."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from modernmail import Mailer, Message
from modernmail.errors import ConfigurationError, StoreUnavailable, Withheld
from modernmail.layers import MemorySuppressions, SQLiteSuppressions, Suppress

if TYPE_CHECKING:
    from pathlib import Path

ANN, BOB = "ann@example.com", "Bob@bücher.example"


def message(*to: str) -> Message:
    """Return a small mail."""
    return Message("Hi", "Text.\n", from_email="me@example.com", to=list(to))


@pytest.mark.parametrize(
    ("kind", "is_async"),
    [
        *(
            (kind, is_async)
            for kind in ("list", "memory", "sqlite", "function")
            for is_async in (False, True)
        ),
        ("async function", True),
    ],
)
def test_suppressed_addresses_get_nothing(kind: str, is_async: bool, tmp_path: Path) -> None:
    """Every kind of store works, whatever the letter case and the form of the domain, sync and async."""
    key = "bob@xn--bcher-kva.example"

    async def ask(address: str) -> bool:
        await asyncio.sleep(0)
        return address == key

    sqlite = SQLiteSuppressions(tmp_path / "store.sqlite")
    sqlite.add("BOB@xn--bcher-kva.example", "bounced")
    store: object = {
        "list": [BOB],
        "memory": MemorySuppressions([BOB]),
        "sqlite": sqlite,
        "function": lambda address: address == key,
        "async function": ask,
    }[kind]
    mailer = Mailer("memory:", layers=[Suppress(store)])  # type: ignore[arg-type]
    letter = message(ANN, BOB)
    receipt = asyncio.run(mailer.asend(letter)) if is_async else mailer.send(letter)
    assert receipt.accepted == (ANN,)
    why = ": bounced" if kind == "sqlite" else ""
    assert receipt.recipients[BOB].reason == f"the address is suppressed{why}"
    with pytest.raises(Withheld, match="suppressed"):
        asyncio.run(mailer.asend(message(BOB))) if is_async else mailer.send(message(BOB))
    mailer.close()


@pytest.mark.parametrize(
    ("suppressed", "same", "others"),
    [
        (
            "ann@example.com",
            ['"ann"@example.com', r'"a\nn"@EXAMPLE.com', '"Ann"@example.com'],
            ['"ann "@example.com'],
        ),
        (
            r'"a\ b"@example.com',
            ['"a b"@example.com', '"A b"@example.com'],
            ["ab@example.com", '"a\\\\ b"@example.com'],
        ),
        (r'"\"x\""@example.com', [r'"\"X\""@example.com'], ["x@example.com", '"x"@example.com']),
        ('"a@b"@example.com', [r'"a\@b"@example.com'], ["a@example.com", "b@example.com"]),
    ],
)
def test_quotes_that_say_nothing_get_nobody_mailed(
    suppressed: str, same: list[str], others: list[str]
) -> None:
    """Of one mailbox there is one key, however its local part is quoted (RFC 5321 4.1.2); of two there are two."""
    mailer = Mailer("memory:", layers=[Suppress([suppressed])])
    assert mailer.send(message(suppressed, *same, *others)).accepted == tuple(others)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_stores_are_collections(kind: str, tmp_path: Path) -> None:
    """Addresses are added, found, counted, listed and discarded."""
    store = MemorySuppressions() if kind == "memory" else SQLiteSuppressions(tmp_path / "store.sqlite")
    store.add(f"Bob B <{BOB}>", "bounced")
    store.add(ANN)
    store.add(ANN, "complained")
    assert (BOB in store, "zoe@example.com" in store, len(store)) == (True, False, 2)
    assert list(store) == (
        ["bob@xn--bcher-kva.example", ANN] if kind == "memory" else [ANN, "bob@xn--bcher-kva.example"]
    )
    assert store.find((ANN, "zoe@example.com")) == {ANN: "complained"}
    store.discard(BOB)
    store.discard(BOB)
    assert BOB not in store


def test_a_file_is_shared(tmp_path: Path) -> None:
    """What one process adds, another sees at its next mail."""
    Mailer("memory:", layers=[Suppress(SQLiteSuppressions(tmp_path / "s"))]).send(message(ANN))
    SQLiteSuppressions(tmp_path / "s").add(ANN)
    with pytest.raises(Withheld):
        Mailer("memory:", layers=[Suppress(SQLiteSuppressions(tmp_path / "s"))]).send(message(ANN))


def test_many_recipients_are_asked_for_in_portions(tmp_path: Path) -> None:
    """A mail to thousands is one mail, and SQLite's limit of variables is none of ours."""
    store = SQLiteSuppressions(tmp_path / "s")
    store.add("p1999@example.com")
    people = [f"p{number}@example.com" for number in range(2000)]
    receipt = Mailer("memory:", layers=[Suppress(store)]).send(message(*people))
    assert (receipt.count("accepted"), receipt.count("rejected")) == (1999, 1)


def test_a_store_that_fails_defers(tmp_path: Path) -> None:
    """Nothing is sent while it is not known who is suppressed."""
    (tmp_path / "s").write_bytes(b"not a database at all, only text" * 40)
    mailer = Mailer("memory:", layers=[Suppress(SQLiteSuppressions(tmp_path / "s"))])
    with pytest.raises(StoreUnavailable, match="file is not a database"):
        mailer.send(message(ANN))
    assert not mailer.backend.outbox  # type: ignore[attr-defined]


@pytest.mark.parametrize("wrong", ["ann@example.com", b"x", None, 5], ids=repr)
def test_what_is_no_store_is_refused(wrong: object) -> None:
    """One address given as a str is a mistake, and so is what cannot be asked."""
    with pytest.raises(ConfigurationError, match="store="):
        Suppress(wrong)  # type: ignore[arg-type]
