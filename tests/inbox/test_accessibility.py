"""Everybody can use the page: names, order, focus and contrast, judged by axe-core in Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from modernmail import Mailer, Message
from modernmail.inbox import CapturedMail, InboxServer
from modernmail.inbox.backend import captured
from modernmail.inbox.web.release import Release
from modernmail.inbox.web.wording import hue

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.once

HTML = """<h1>News</h1><img src='https://cdn.example/x.png'><a href='http://localhost/'>a link</a>
<div style='display:grid'>x</div>"""
BROKEN = b"Subject: broken\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\nx"

COLOURFUL = [f"a+{tag}@example.com" for tag in {hue(word): word for word in map(str, range(200))}.values()]


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[InboxServer, dict[str, str]]]:
    """An inbox that can release, and its mails: a full one, a plain one, a broken one."""
    mailer = Mailer("null:", from_email="Shop <shop@example.com>")
    full = (
        Message("News", "Read it at https://example.com. Your code is 493201.", HTML,
                to=["Zoë <zoe+news@example.com>"], cc=["b@example.com"], bcc=["c@example.net"])
        .attach("a.pdf", b"%PDF", "application/pdf")
    )  # fmt: skip
    plain = Message("", "Hello", to=["a@example.com"])
    crowd = Message(
        "Many", "x", HTML, to=[f"Person {n} <p{n}@example.com>" for n in range(60)], bcc=COLOURFUL
    )
    for number in range(40):
        crowd.attach(f"{number}.pdf", b"%PDF", "application/pdf")
    with InboxServer.threaded(release=Release(mailer, ["*@example.com"])) as server:
        mails = {
            "full": captured(mailer.parcel(full)),
            "crowd": captured(mailer.parcel(crowd)),
            "plain": captured(mailer.parcel(plain)),
            "broken": CapturedMail("a@example.com", ("b@example.com", *COLOURFUL), BROKEN),
        }
        for mail in mails.values():
            server.store.add(mail)
        yield server, {name: mail.id for name, mail in mails.items()}


def judge(page: Any, where: str) -> None:
    """Fail with the findings of axe-core, if there are any."""
    options = {"resultTypes": ["violations"], "iframes": False}  # the mail's own HTML is its sender's
    found = Axe().run(page, options=options).response["violations"]
    told = [
        f"{where}: {each['id']}: {node['html'][:120]}: {node['failureSummary']}"
        for each in found
        for node in each["nodes"]
    ]
    assert not told, "\n".join(told)


@pytest.mark.parametrize("kind", ["light", "dark", "phone"])
def test_everybody_can_use_it(browser: Any, filled: tuple[InboxServer, dict[str, str]], kind: str) -> None:
    """No state of the page has a fault that axe-core knows: list, search, mistakes, each view of a mail, menus."""
    server, ids = filled
    options: dict[str, Any] = {"color_scheme": "dark" if kind == "dark" else "light"}
    if kind == "phone":
        options |= {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}
    page = browser.new_context(**options).new_page()
    views = ["html", "headers", "checks"]
    paths = ["/", f"/messages/{ids['broken']}"]
    if kind == "light":  # the other two differ in colours and in layout, not in what there is
        views += ["text", "source", "raw", "links"]
        paths += ["/?q=colour:red", "/?q=nothing", "/messages/none", f"/messages/{ids['plain']}"]
    for path in (*paths, *(f"/messages/{ids['full']}?view={view}" for view in views)):
        page.goto(server.url + path)
        judge(page, path)
    page.goto(f"{server.url}/messages/{ids['full']}")
    page.wait_for_selector("#blocked details")
    page.click("#blocked summary")
    page.click(".mail-bar summary")
    judge(page, "what opens")
    page.goto(f"{server.url}/messages/{ids['crowd']}")
    for more in page.locator(".rest > summary").all():
        more.click()
    judge(page, "crowds")
    page.keyboard.press("?")
    judge(page, "the help")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_empty_page(browser: Any, scheme: str) -> None:
    """The same holds for the page before the first mail."""
    with InboxServer.threaded() as server:
        page = browser.new_context(color_scheme=scheme).new_page()
        page.goto(server.url)
        judge(page, "the empty page")
        page.close()
