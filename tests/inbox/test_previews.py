"""Previews and the `inbox:` backend: mail that comes without SMTP."""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from web import Client

from modernmail import Mailer, Message
from modernmail.errors import ConfigurationError, ConnectFailed, InvalidMessage
from modernmail.inbox import CapturedMail, DiskStore, InboxServer, MemoryStore
from modernmail.inbox.backend import InboxBackend, default_folder
from modernmail.inbox.previews import PreviewMailer
from modernmail.inbox.web.previews import Previews
from modernmail.reading import read

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = '''
"""Previews of the shop."""
from enum import Enum
from typing import Literal
from modernmail import Message

GREETINGS = {"en": "Hello", "de": "Hallo"}

def welcome(name: str = "Zoë", locale: str = "en", items: int = 2, is_new: bool = True, rate: float = 0.5) -> Message:
    """Sent after signing up.

    More about it.
    """
    return Message(f"{GREETINGS[locale]} {name}", f"{items!r} {is_new!r} {rate!r}", to=["zoe@example.com"])

class Plan(Enum):
    FREE = 0
    PAID = 1

def chosen(locale: Literal["en", "de"] = "en", plan: Plan = Plan.FREE, count: Literal[1, 2] = 1) -> Message:
    return Message(f"{locale} {plan.value} {count!r}", "x", to=["zoe@example.com"])

def untold(locale: "Unknown" = "en") -> "Message":
    return Message(locale, "x", to=["zoe@example.com"])

def nobody() -> "Message":
    return Message("To nobody", "x")

def wrong() -> Message:
    return "no message"

def needs(argument) -> Message: ...
def helper(): ...
def _hidden() -> Message: ...
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package with previews, importable."""
    package = tmp_path / "shop_previews"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text(MODULE)
    (package / "inner" / "__init__.py").write_text(
        "from modernmail import Message\nfrom .. import welcome\n\ndef deep() -> Message:\n    return Message('Deep', 'x')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "shop_previews"
    for name in [name for name in sys.modules if name.startswith("shop_previews")]:
        del sys.modules[name]


def test_a_preview_opened_in_many_tabs_at_once(module: str) -> None:
    """Every tab gets the mail: none sees the module half read, or the mail of another tab on its way."""
    with InboxServer.threaded(previews=Previews(PreviewMailer(module))) as server:
        with ThreadPoolExecutor(8) as tabs:
            answers = list(tabs.map(lambda _: Client(server).get(f"/previews/{module}.welcome"), range(40)))
        assert {answer.status for answer in answers} == {200}
        assert all("The preview failed" not in answer.text for answer in answers)
        assert len(server.store) == 1


def test_previews_are_found(module: str) -> None:
    """Public functions that make a Message and need nothing are previews, those of inner modules too."""
    previews = PreviewMailer(module).previews
    assert [preview.name for preview in previews] == [
        *("shop_previews.chosen", "shop_previews.inner.deep", "shop_previews.nobody", "shop_previews.untold"),
        *("shop_previews.welcome", "shop_previews.wrong"),
    ]
    welcome = previews[4]
    assert (welcome.title, welcome.about, welcome.module) == (
        "Welcome",
        "Sent after signing up.",
        "shop_previews",
    )
    assert [(given.name, given.default) for given in welcome.parameters] == [
        ("name", "Zoë"), ("locale", "en"), ("items", 2), ("is_new", True), ("rate", 0.5),
    ]  # fmt: skip


def test_previews_are_rendered(module: str) -> None:
    """Values replace defaults, as the type of the default; equal values give an equal id."""
    mailer = PreviewMailer(module)
    plain = mailer.render("shop_previews.welcome")
    german = mailer.render(
        "shop_previews.welcome", {"locale": "de", "items": "7", "is_new": "no", "rate": "1", "x": "y"}
    )
    assert (read(plain.content).subject, read(plain.content).text) == ("Hello Zoë", "2 True 0.5\n")
    assert (read(german.content).subject, read(german.content).text) == ("Hallo Zoë", "7 False 1.0\n")
    assert plain.id == mailer.render("shop_previews.welcome").id != german.id
    assert mailer.render("shop_previews.nobody").recipients == ("somebody@example.com",)
    with pytest.raises(InvalidMessage, match="items: 'many': must be a int"):
        mailer.render("shop_previews.welcome", {"items": "many"})
    with pytest.raises(InvalidMessage, match="must return a Message"):
        mailer.render("shop_previews.wrong")
    with pytest.raises(LookupError):
        mailer.render("shop_previews.none")


def test_previews_with_choices(module: str) -> None:
    """What is written as Literal, or is an enumeration, has choices, and takes nothing else."""
    mailer = PreviewMailer(module)
    name = "shop_previews.chosen"
    preview = mailer.get(name)
    assert preview is not None
    assert [(given.name, given.kind, given.choices) for given in preview.parameters] == [
        ("locale", "choice", ("en", "de")), ("plan", "choice", ("FREE", "PAID")), ("count", "choice", ("1", "2")),
    ]  # fmt: skip
    assert read(mailer.render(name).content).subject == "en 0 1"
    values = {"locale": "de", "plan": "PAID", "count": "2"}
    assert read(mailer.render(name, values).content).subject == "de 1 2"
    with pytest.raises(InvalidMessage, match="locale: 'fr': must be one of en, de"):
        mailer.render(name, {"locale": "fr"})
    untold = mailer.get("shop_previews.untold")
    assert untold is not None
    assert [given.kind for given in untold.parameters] == ["text"]


def test_an_edited_preview_shows_at_once(module: str, tmp_path: Path) -> None:
    """The module is read anew for each rendering."""
    import importlib
    import os

    mailer = PreviewMailer(module)
    mailer.render("shop_previews.nobody")
    source = tmp_path / "shop_previews" / "__init__.py"
    source.write_text(MODULE.replace("To nobody", "To somebody else"))
    os.utime(source, (1, 1))  # the cache of byte code goes by time and size
    importlib.invalidate_caches()
    assert read(mailer.render("shop_previews.nobody").content).subject == "To somebody else"


def test_modules_without_previews_are_named() -> None:
    """A module that does not exist or has no preview is an error that names it."""
    with pytest.raises(ConfigurationError, match="no_such_module cannot be imported"):
        PreviewMailer("no_such_module")
    with pytest.raises(ConfigurationError, match="no previews in json: def name"):
        PreviewMailer("json")


def test_previews_in_the_browser(module: str) -> None:
    """The page lists the previews, shows one as a mail with fields for its parameters, and a fault as its traceback."""
    with InboxServer.threaded(previews=Previews(PreviewMailer(module))) as server:
        client = Client(server)
        overview = client.get("/previews").text
        assert 'href="/previews/shop_previews.welcome"' in overview
        assert "Sent after signing up." in overview
        page = client.get("/previews/shop_previews.welcome?locale=de").text
        assert 'name="locale" value="de"' in page
        assert 'name="items" value="2"' in page
        assert "Hallo Zoë" in page
        client.get("/previews/shop_previews.welcome?locale=de&view=text")
        assert [read(mail.content).subject for mail in server.store] == ["Hallo Zoë"]
        fault = client.get("/previews/shop_previews.welcome?locale=fr").text
        assert "KeyError: &#39;fr&#39;" in fault
        assert client.get("/previews/none").status == 404


# -- the backend


@pytest.mark.parametrize("is_async", [False, True])
def test_the_backend_puts_mail_into_the_inbox(tmp_path: Path, is_async: bool) -> None:
    """`inbox:///folder` keeps envelope and bytes as SMTP would bring them, Bcc included."""
    message = Message("Hi", "x", from_email="a@example.com", to=["b@example.com"], bcc=["hidden@example.com"])
    with DiskStore(tmp_path) as store, Mailer(f"inbox://{tmp_path}") as mailer:
        receipt = asyncio.run(mailer.asend(message)) if is_async else mailer.send(message)
        assert receipt.accepted == ("b@example.com", "hidden@example.com")
        (mail,) = store
        assert (mail.return_path, mail.recipients) == (
            "a@example.com",
            ("b@example.com", "hidden@example.com"),
        )
        assert b"hidden@example.com" not in mail.content
        assert mail.id in str(receipt.recipients["b@example.com"].reason)
        assert mailer.verify() == {"mails": 1}
        mailer.backend.store.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted in /proc")
def test_a_closed_mailer_holds_no_file_and_may_be_used_again(tmp_path: Path) -> None:
    """Closing the mailer of `inbox:///folder` lets go of the index; the next mail opens it again."""

    def held() -> int:
        names = (os.readlink(link) for link in Path("/proc/self/fd").iterdir() if os.path.lexists(link))
        return sum(name.startswith(str(tmp_path)) for name in names)

    mailer = Mailer(f"inbox://{tmp_path}", from_email="a@example.com")
    for count in (1, 2):
        with mailer:
            mailer.send(Message("x", "y", to=["b@example.com"]))
            assert mailer.verify() == {"mails": count}
            assert held() > 0
        assert held() == 0


def test_a_full_inbox_is_a_transient_failure() -> None:
    """When the store cannot keep the mail, nobody was accepted and trying later may help."""

    class Full(MemoryStore):
        def add(self, mail: CapturedMail) -> None:  # type: ignore[override]
            raise OSError(28, "No space left on device")

    with pytest.raises(ConnectFailed, match="No space left") as error:
        Mailer(InboxBackend(Full())).send(Message("x", "y", from_email="a@example.com", to=["b@example.com"]))
    assert error.value.is_transient


def test_the_commit_point_comes_first() -> None:
    """A queue's mark is written before the mail is in the inbox."""
    from modernmail.runtime import BlockingIO, run_blocking

    store, seen = MemoryStore(), []

    async def commit(parcel: object) -> None:
        seen.append(len(store))

    mailer = Mailer("null:", from_email="a@example.com")
    parcel = mailer.parcel(Message("x", "y", to=["b@example.com"]))
    run_blocking(InboxBackend(store).send(parcel, BlockingIO(commit)))
    assert (seen, len(store)) == ([0], 1)


def test_where_the_inbox_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`inbox:` is the folder of the environment, or one in the user's state; host and options are refused."""
    monkeypatch.setenv("MODERNMAIL_INBOX", str(tmp_path / "named"))
    mailer = Mailer("inbox:")
    assert mailer.backend.store.folder == tmp_path / "named"
    mailer.backend.store.close()
    monkeypatch.delenv("MODERNMAIL_INBOX")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "modernmail" / "inbox"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert default_folder().parts[-4:] == (".local", "state", "modernmail", "inbox")
    with pytest.raises(ConfigurationError, match="takes no host"):
        Mailer("inbox://example.com/x")
    with pytest.raises(ConfigurationError, match="has no option 'x'"):
        Mailer("inbox:?x=1")
