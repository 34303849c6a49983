"""The page while mail arrives: what somebody aims at, holds, reads or has the focus on stays theirs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from web import until

from modernmail import Mailer, Message
from modernmail.inbox import InboxServer, MemoryStore
from modernmail.inbox.backend import captured

if TYPE_CHECKING:
    from collections.abc import Iterator

MAILER = Mailer("null:", from_email="shop@example.com")
FOCUSED = "document.activeElement.closest('.item')?.dataset.id"
AT_200_300 = "document.elementFromPoint(200, 300).closest('.item').dataset.id"


def add(server: InboxServer, count: int, to: str = "zoe+news@example.com") -> str:
    """Put mails into the inbox; the id of the last."""
    for number in range(count):
        mail = captured(
            MAILER.parcel(Message(f"News {number}", "Hello", "<p>Hello</p><a href=#>x</a>", to=[to]))
        )
        server.store.add(mail)
    return mail.id


def listed(page: Any, count: int) -> None:
    """Wait until the list tells of so many mails."""
    until(page, f"document.querySelector('.list-head').dataset.total === '{count}'")


@pytest.fixture
def server() -> Iterator[InboxServer]:
    """An inbox with sixty mails: two pages of a list."""
    with InboxServer.threaded(MemoryStore()) as running:
        add(running, 60)
        yield running


@pytest.fixture
def page(browser: Any, server: InboxServer) -> Iterator[Any]:
    """Its list, open."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.goto(server.url)
    opened.wait_for_selector("#live.on", state="attached")
    yield opened
    context.close()


def test_a_press_opens_what_it_was_aimed_at(server: InboxServer, page: Any) -> None:
    """Mails that come between press and release neither move the list nor cost the click; then they are shown."""
    wanted = page.evaluate(AT_200_300)
    page.mouse.move(200, 300)
    page.mouse.down()
    add(server, 3)
    page.wait_for_timeout(700)
    assert page.evaluate(AT_200_300) == wanted
    page.mouse.up()
    page.wait_for_url(f"**/messages/{wanted}")
    listed(page, 63)


def test_the_focus_stays_where_it_is(server: InboxServer, page: Any) -> None:
    """Whatever in the list has the focus keeps it; of a mail that the page has no more, the one in its place gets it."""
    total = 60
    for selector in (".menu summary", ".tags a", ".pager a", ".item:nth-child(3) a"):
        page.focus(f"#list {selector}")
        page.evaluate("window.held = document.activeElement")
        total += 1
        add(server, 1)
        listed(page, total)
        assert page.evaluate("document.activeElement === window.held"), selector
    third = page.evaluate(FOCUSED)
    server.store.delete(f"id:{third}")
    listed(page, total - 1)
    assert page.evaluate(FOCUSED) == page.evaluate("document.querySelectorAll('.item')[3].dataset.id")
    add(server, 60)
    listed(page, total + 59)
    assert page.evaluate(FOCUSED) == page.evaluate("document.querySelectorAll('.item')[3].dataset.id")


def test_the_reader_s_place_is_kept(server: InboxServer, page: Any) -> None:
    """A list that was scrolled shows the same mails at the same height, also when others come and go above them."""
    newest = server.store.find(limit=1)[0].id
    page.evaluate("document.querySelector('#list').scrollTop = 700")
    top = "document.querySelector('#list .item[data-id=\"{}\"]').getBoundingClientRect().top"
    wanted = page.evaluate(AT_200_300)
    place = page.evaluate(top.format(wanted))
    add(server, 3)
    listed(page, 63)
    assert page.evaluate(top.format(wanted)) == pytest.approx(
        place, abs=1
    )  # a browser scrolls by whole pixels
    server.store.delete(f"id:{newest}")
    listed(page, 62)
    assert page.evaluate(top.format(wanted)) == pytest.approx(place, abs=1)


def test_a_flood_of_mail_is_shown_twice_a_second(server: InboxServer, page: Any) -> None:
    """Many mails in a short time cost few requests, the page stays as small as it was, and its end is right."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    nodes = page.evaluate("document.querySelectorAll('*').length")
    began = page.evaluate("performance.now()")
    for _ in range(30):
        add(server, 10)
        page.wait_for_timeout(40)
    listed(page, 360)
    took = page.evaluate("performance.now()") - began
    assert 1 <= len(asked) <= took / 500 + 2
    assert page.evaluate("document.querySelectorAll('*').length") <= nodes + 10
    until(page, "document.getElementById('said').textContent === '360 mails, 360 unread'")


def test_an_inbox_that_takes_its_time(
    server: InboxServer, page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for the list again only when it has answered, and each answer is shown, while mail goes on coming."""
    find = server.store.find
    monkeypatch.setattr(
        server.store, "find", lambda *given, **options: (time.sleep(0.7), find(*given, **options))[1]
    )
    asked: list[str] = []
    shown: set[str] = set()
    page.on("request", lambda request: asked.append(request.url))
    for _ in range(40):
        add(server, 1)
        page.wait_for_timeout(60)
        shown.add(page.evaluate("document.querySelector('.list-head').dataset.total"))
    listed(page, 100)
    assert len(shown - {"60"}) >= 2
    assert len(asked) <= 12


def test_what_is_the_same_is_not_made_anew(server: InboxServer, page: Any) -> None:
    """A mail that was in the list is the same element afterwards, marked as read or not; what is gone is gone."""
    ids = [found.id for found in server.store.find(limit=50)]
    page.evaluate("document.querySelectorAll('.item').forEach((item) => { item.known = item.dataset.id; })")
    server.store.mark(f"id:{ids[3]}")
    server.store.delete(f"id:{ids[5]}")
    add(server, 1)
    until(page, f"document.querySelector('.item[data-id=\"{ids[3]}\"]')?.matches(':not(.unread)')")
    listed(page, 60)
    assert page.evaluate("[...document.querySelectorAll('.item')].map((item) => item.dataset.id)") == [
        found.id for found in server.store.find(limit=50)
    ]
    same = page.evaluate(
        "[...document.querySelectorAll('.item')].filter((item) => item.known === item.dataset.id).length"
    )
    assert (
        same == 49
    )  # all but the new one; the fiftieth came up from the next page, and was not there before


def test_the_next_mail_is_the_next(server: InboxServer, page: Any) -> None:
    """j goes to the mail before the opened one, also when so many came since that the list shows neither."""
    ids = [found.id for found in server.store.find(limit=3)]
    page.click(f'.item[data-id="{ids[1]}"]')
    page.wait_for_url(f"**/messages/{ids[1]}")
    page.wait_for_selector(f'.mail[data-id="{ids[1]}"]')
    page.mouse.move(900, 500)
    add(server, 60)
    listed(page, 120)
    page.keyboard.press("j")
    page.wait_for_url(f"**/messages/{ids[2]}")
    page.wait_for_selector(f'.mail[data-id="{ids[2]}"]')
    page.keyboard.press("k")
    page.wait_for_url(f"**/messages/{ids[1]}")


def test_the_focus_survives_a_change_of_the_mail(server: InboxServer, page: Any) -> None:
    """A tab, or an arrow to the next mail, keeps the focus over the change; a deletion leads to the mail that follows."""
    ids = [found.id for found in server.store.find(limit=5)]
    page.goto(server.address(ids[0]))
    page.focus(".tabs a[data-view=text]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".view-text")
    assert page.evaluate("document.activeElement.dataset.view") == "text"
    page.focus("#message a[rel=next]")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/messages/{ids[1]}")
    until(page, "document.querySelector('.mail').dataset.id === location.pathname.split('/')[2]")
    assert page.evaluate("document.activeElement.rel") == "next"
    page.focus("#message form[action$='/delete'] button")
    page.keyboard.down("Enter")
    page.wait_for_url(f"**/messages/{ids[2]}")
    until(page, "document.querySelector('.mail').dataset.id === location.pathname.split('/')[2]")
    page.keyboard.down("Enter")  # held down: it repeats itself
    page.keyboard.up("Enter")
    assert page.evaluate("document.activeElement.id") == "message"
    assert server.store.count() == 59
