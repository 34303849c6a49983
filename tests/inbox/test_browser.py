"""The page in Chromium, as somebody uses it."""

from __future__ import annotations

import os
import struct
import time
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from web import until

from modernmail import Mailer, Message, send_mail
from modernmail.inbox import CapturedMail, InboxServer
from modernmail.inbox.backend import captured
from modernmail.inbox.previews import PreviewMailer
from modernmail.inbox.web.previews import Previews
from modernmail.reading import read

DOCS = Path(__file__).parents[2] / "docs" / "images"


def square(side: int, red: int, green: int, blue: int) -> bytes:
    """A PNG of one colour."""
    rows = b"".join(b"\0" + bytes((red, green, blue)) * side for _ in range(side))
    chunks = (
        b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0),
        b"IDAT" + zlib.compress(rows),
        b"IEND",
    )
    framed = (
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


INVOICE = """<!doctype html>
<html><head><meta name="color-scheme" content="light dark">
<style>
  body { font: 16px/1.5 "Helvetica Neue", "DejaVu Sans", sans-serif; color: #22252b; margin: 0; }
  .sheet { max-width: 520px; margin: 28px auto; padding: 0 20px; }
  table { width: 100%; border-collapse: collapse; margin: 20px 0; }
  td { padding: 9px 0; border-bottom: 1px solid #e3e5ea; }
  td:last-child { text-align: right; }
  .pay { display: inline-block; padding: 11px 22px; border-radius: 8px; background: #0b7a5c; color: #fff;
         text-decoration: none; font-weight: bold; }
  @media (prefers-color-scheme: dark) { body { background: #14171c; color: #e9ebef; } td { border-color:
  #2c313a; } }
</style></head>
<body><div class="sheet">
<img src="cid:logo" alt="" width="44" height="44" style="border-radius:10px">
<h1>Your invoice</h1><p>Dear Zoë, thank you for your order. Here is what it comes to.</p>
<table><tr><td>Three notebooks</td><td>27.00</td></tr><tr><td>A fountain pen</td><td>34.50</td></tr>
<tr><td><b>Total</b></td><td><b>61.50</b></td></tr></table>
<p><a class="pay" href="https://shop.example/pay/42">Pay now</a></p>
<img src="https://tracker.example/open.gif?id=42" alt="" width="1" height="1">
</div></body></html>"""


@pytest.fixture
def inbox(server: InboxServer, monkeypatch: pytest.MonkeyPatch) -> InboxServer:
    """The inbox, empty, and the place where mail goes by default."""
    server.store.clear()
    monkeypatch.setenv("MODERNMAIL_URL", server.smtp_url)
    return server


def open_page(browser: Any, inbox: InboxServer, path: str = "/", **options: Any) -> Any:
    """A page of a context of its own."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}, **options).new_page()
    page.goto(inbox.url + path)
    page.wait_for_selector("#live.on", state="attached")
    return page


def add(inbox: InboxServer, message: Message, minutes: int = 0, **fields: Any) -> str:
    """Put a mail into the inbox, as it was some minutes ago, and return its id."""
    parcel = Mailer("null:", from_email="Paper & Pen <shop@paper.example>").parcel(message)
    mail = captured(parcel)
    received = datetime(2026, 11, 3, 14, 20, tzinfo=UTC) - timedelta(minutes=minutes)
    inbox.store.add(
        CapturedMail(mail.return_path, mail.recipients, mail.content, mail.id, received, **fields)
    )
    return mail.id


def invoice() -> Message:
    """The mail of the screenshots."""
    return (
        Message("Your invoice 42", "Dear Zoë, you owe 61.50.", INVOICE, to=["Zoë Novák <zoe+billing@example.com>"],
                cc=["books@paper.example"], bcc=["archive@paper.example"])
        .embed("logo", square(10, 11, 122, 92), "image/png")
        .attach("invoice-42.pdf", b"%PDF-1.7" + bytes(38_000), "application/pdf")
    )  # fmt: skip


def fill(inbox: InboxServer) -> str:
    """A morning's mail; the invoice's id."""
    for minutes, subject, text, to in (
        (190, "Welcome, Maria", "It is good to have you. Confirm: https://paper.example/c/1", "Maria <maria+signup@example.com>"),
        (160, "Your parcel is on its way", "It left the warehouse at 09:12.", "tom@example.net"),
        (131, "Reset your password", "Your code is 493 201.", "adam@example.com"),
        (95, "Weekly report", "Orders 214, up 12. Returns 3, down 2.", "team+reports@paper.example"),
        (61, "How was your pen?", "Two questions, one minute.", "Lena <lena+survey@example.com>"),
        (40, "Welcome, Tom", "It is good to have you. Confirm: https://paper.example/c/2", "Tom <tom+signup@example.com>"),
    ):  # fmt: skip
        add(inbox, Message(subject, text, to=[to]), minutes)
    inbox.store.mark("-subject:Welcome")
    found = add(inbox, invoice(), 2)
    add(
        inbox,
        Message("Your return arrived", "We sent you 12.00 back.", to=["Zoë Novák <zoe@example.com>"]),
        1,
    )
    return found


def test_a_mail_appears_by_itself(browser: Any, inbox: InboxServer) -> None:
    """What send_mail sends over SMTP is in an open page within a second, without a reload."""
    page = open_page(browser, inbox)
    page.evaluate("window.untouched = true")
    taken = []
    for number in range(3):
        start = time.monotonic()
        send_mail(f"Hello {number}", "It works.", "me@example.com", ["you@example.com"])
        page.wait_for_selector(f".item >> text=Hello {number}")
        taken.append(time.monotonic() - start)
    assert min(taken) < 1
    assert page.evaluate("window.untouched")
    assert page.locator(".item.unread").count() == 3
    until(page, "document.title === '(3) Inbox'")
    assert inbox.violations == []


def test_open_switch_and_dress(browser: Any, inbox: InboxServer) -> None:
    """A click opens the mail; tabs, widths and dark mode change what is shown, and nothing reloads."""
    found = fill(inbox)
    page = open_page(browser, inbox)
    page.evaluate("window.untouched = true")
    page.click("text=Your invoice 42")
    frame = page.frame_locator(".stage iframe")
    assert frame.locator("h1").inner_text() == "Your invoice"
    assert page.url.endswith(f"/messages/{found}")
    assert "Your invoice 42" in page.title()
    assert page.locator(f'.item[data-id="{found}"].selected:not(.unread)').count() == 1
    assert frame.locator("img").first.evaluate("image => image.naturalWidth") == 10
    for name, width in (("phone", 375), ("tablet", 768)):
        page.click(f"button[data-width={name}]")
        assert page.locator(".stage iframe").bounding_box()["width"] == width
    page.click("button[data-width=full]")
    assert frame.locator("body").evaluate("body => getComputedStyle(body).color") == "rgb(34, 37, 43)"
    page.click("button[data-scheme]")
    frame.locator("h1").wait_for()
    until(page, "document.querySelector('.stage.dark iframe').src.includes('scheme=dark')")
    assert frame.locator("body").evaluate("body => getComputedStyle(body).color") == "rgb(233, 235, 239)"
    for view, words in (
        ("text", "you owe 61.50"),
        ("source", "<h1>Your invoice</h1>"),
        ("headers", "in the envelope only: Bcc"),
        ("raw", "Content-Type: multipart/mixed"),
        ("links", "https://shop.example/pay/42"),
        ("checks", "caniemail.com"),
    ):
        page.click(f"[data-view={view}]")
        page.wait_for_selector(f".view-{view}")
        assert words in page.locator(".view").inner_text()
    page.go_back()
    page.wait_for_selector(".view-links")
    assert page.evaluate("window.untouched")
    assert inbox.violations == []


def test_search_as_you_type(browser: Any, inbox: InboxServer) -> None:
    """The list follows the search; the address keeps it; a mistake is said; clearing brings everything back."""
    fill(inbox)
    page = open_page(browser, inbox)
    page.fill("#search", "to:zoe has:attachment")
    until(page, "document.querySelectorAll('.item').length === 1")
    assert page.url.endswith("/?q=to%3Azoe+has%3Aattachment")
    page.fill("#search", "colour:red")
    page.wait_for_selector("text=colour: unknown; there are from")
    page.fill("#search", "before:yesterday")
    page.wait_for_selector("text=yesterday: a date is written 2026-11-03")
    page.fill("#search", "")
    until(page, "document.querySelectorAll('.item').length === 8")
    page.click("a.tag >> text=signup")
    until(page, "document.querySelectorAll('.item').length === 2")
    assert page.input_value("#search") == 'tag:"signup"'


def test_keyboard(browser: Any, inbox: InboxServer) -> None:
    """j, k, Enter, numbers, /, Escape and Delete do what the help says."""
    fill(inbox)
    page = open_page(browser, inbox)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1 >> text=Your invoice 42")
    page.keyboard.press("j")
    page.wait_for_selector("h1 >> text=Welcome, Tom")
    page.keyboard.press("k")
    page.wait_for_selector("h1 >> text=Your invoice 42")
    page.keyboard.press("2")
    page.wait_for_selector(".view-text")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Delete")
    page.wait_for_selector("h1 >> text=Welcome, Tom")
    until(page, "document.querySelectorAll('.item').length === 7")
    assert inbox.store.count("subject:invoice") == 0
    page.keyboard.press("Escape")
    until(page, "location.pathname === '/'")


def test_download_and_delete(browser: Any, inbox: InboxServer) -> None:
    """The mail and its files download with their bytes; delete, unread, and delete-all work by click."""
    found = fill(inbox)
    page = open_page(browser, inbox, f"/messages/{found}")
    with page.expect_download() as download:
        page.click("[aria-label='Download .eml']")
    assert Path(download.value.path()).read_bytes() == inbox.store.get(found).content
    assert download.value.suggested_filename == "Your invoice 42.eml"
    with page.expect_download() as download:
        page.click("text=invoice-42.pdf")
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-1.7")
    page.click("[aria-label='Mark as unread']")
    until(page, "document.querySelector('.pill').textContent === '4 unread'")
    page.click("[aria-label='Delete']")
    until(page, "document.querySelectorAll('.item').length === 7")
    page.on("dialog", lambda dialog: dialog.accept())
    page.click(".list-head summary")
    page.click("text=Delete all")
    page.wait_for_selector("text=Nothing here yet")
    assert len(inbox.store) == 0


def test_a_mail_that_takes_its_time_is_chosen_at_once(browser: Any, inbox: InboxServer) -> None:
    """The item that was clicked is marked while its mail is on its way, also when the list is made anew meanwhile."""
    found = fill(inbox)
    page = open_page(browser, inbox)
    held: list[Any] = []
    page.route(f"**/messages/{found}", lambda route: held.append(route))
    page.click("text=Your invoice 42")
    until(page, "document.querySelector('#message[aria-busy=true]') !== null")
    add(inbox, Message("One more", "x", to=["a@example.com"]))
    page.wait_for_selector(".item >> text=One more")
    assert page.locator(".item.selected").get_attribute("data-id") == found
    held.pop().continue_()
    page.wait_for_selector("h1 >> text=Your invoice 42")
    assert page.locator("#message[aria-busy]").count() == 0
    assert page.locator(".item.selected").get_attribute("data-id") == found


def test_delete_held_down_deletes_one(browser: Any, inbox: InboxServer) -> None:
    """A key that repeats itself deletes no second mail."""
    found = fill(inbox)
    page = open_page(browser, inbox, f"/messages/{found}")
    page.keyboard.down("Delete")
    page.wait_for_selector("h1 >> text=Welcome, Tom")
    page.keyboard.down("Delete")
    page.keyboard.up("Delete")
    page.keyboard.press("2")
    page.wait_for_selector(".view-headers")
    assert len(inbox.store) == 7


def test_copy_without_a_clipboard(browser: Any, inbox: InboxServer) -> None:
    """Where the browser gives a page no clipboard, over plain http, the text is copied all the same."""
    found = fill(inbox)
    page = open_page(browser, inbox)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{inbox.url}/messages/{found}?view=links")
    page.evaluate(
        "window.kept = navigator.clipboard; Object.defineProperty(navigator, 'clipboard', { value: undefined })"
    )
    page.click("[aria-label='Copy the link 1']")
    page.wait_for_selector("text=Copied")
    assert page.evaluate("kept.readText()") == "https://shop.example/pay/42"


def test_links_open_elsewhere(browser: Any, inbox: InboxServer) -> None:
    """A link in a mail opens a new page, without a referrer, and never takes the preview away."""
    found = add(
        inbox, Message("x", "y", f"<a href='{inbox.url}/static/icon.svg'>go</a>", to=["a@example.com"])
    )
    page = open_page(browser, inbox, f"/messages/{found}")
    with page.context.expect_page() as opened:
        page.frame_locator(".stage iframe").locator("a").click()
    opened.value.wait_for_load_state()
    assert opened.value.url.endswith("/static/icon.svg")
    assert opened.value.evaluate("document.referrer") == ""
    assert opened.value.evaluate("window.opener") is None
    assert page.frame_locator(".stage iframe").locator("a").inner_text() == "go"


@pytest.mark.parametrize("target", ["_self", "_top", "_parent", "named"])
def test_links_that_say_where(browser: Any, inbox: InboxServer, target: str) -> None:
    """A link that would open in the frame or in its place opens a new page too, and the mail stays where it is."""
    html = f"<p>text</p><a class=x TARGET = '{target}' title='a target=b' href='https://shop.example/pay'>Pay</a>"
    page = open_page(browser, inbox, f"/messages/{add(inbox, Message('x', 'y', html, to=['a@example.com']))}")
    page.context.route(
        "https://shop.example/**", lambda route: route.fulfill(body="paid", content_type="text/html")
    )
    with page.context.expect_page() as opened:
        page.frame_locator(".stage iframe").locator("a").click()
    opened.value.wait_for_url("https://shop.example/pay")
    assert page.frame_locator(".stage iframe").locator("p").text_content() == "text"


def test_many_blocked_loads(browser: Any, inbox: InboxServer) -> None:
    """They are all listed, and cost few requests: each of them reads the mail anew."""
    html = "".join(f"<p style='background:u\\72l(https://cdn.example/{n}.png)'>x</p>" for n in range(60))
    found = add(inbox, Message("x", "y", html, to=["a@example.com"]))
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(inbox.address(found))
    until(page, "document.querySelectorAll('#blocked li').length === 60")
    assert len([url for url in asked if f"{found}/blocked?" in url]) < 12
    page.close()


def test_loads_that_were_blocked_early(browser: Any, inbox: InboxServer) -> None:
    """What was blocked before the page listened is told all the same."""
    html = "".join(f"<p style='background:u\\72l(https://cdn.example/{n}.png)'>x</p>" for n in range(5))
    found = add(inbox, Message("x", "y", html, to=["a@example.com"]))
    page = browser.new_page()
    held: list[Any] = []
    page.route("**/events", lambda route: held.append(route))
    page.goto(inbox.address(found))
    while page.request.get(f"{inbox.address(found)}/blocked").text().count("cdn.example") < 5:
        page.wait_for_timeout(20)
    assert page.locator("#blocked li").count() == 0
    held[0].continue_()
    until(page, "document.querySelectorAll('#blocked li').length === 5")
    page.close()


def test_remote_images_on_request(browser: Any, inbox: InboxServer) -> None:
    """Remote images load after a click, for this mail and this time only."""
    with InboxServer.threaded() as remote:
        url = f"{remote.url.replace('127.0.0.1', 'localhost')}/static/icon.svg"
        found = add(inbox, Message("x", "y", f"<img src='{url}' alt=''>", to=["a@example.com"]))
        page = open_page(browser, inbox, f"/messages/{found}")
        image = page.frame_locator(".stage iframe").locator("img")
        image.wait_for(state="attached")
        page.wait_for_selector("#blocked >> text=1 remote load blocked")
        assert image.evaluate("image => image.naturalWidth") == 0
        with page.expect_request(url):
            page.click("text=Load remote images")
        page.wait_for_selector("text=Remote images are shown")
        page.reload()
        page.goto(f"{inbox.url}/messages/{found}")
        page.wait_for_selector("#blocked >> text=1 remote load blocked")


def test_without_the_script(browser: Any, inbox: InboxServer) -> None:
    """Without JavaScript the list, the mail, its tabs, search and delete still work."""
    fill(inbox)
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(inbox.url)
    with page.expect_navigation():
        page.click("text=Your invoice 42")
    with page.expect_navigation():
        page.click("text=Headers")
    assert page.locator("text=in the envelope only: Bcc").count() == 1
    page.fill("#search", "from:shop to:tom")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator(".item").count() == 2
    with page.expect_navigation():
        page.click(".item >> nth=0")
    with page.expect_navigation():
        page.click("[aria-label='Delete']")
    assert len(inbox.store) == 7


def test_the_theme_is_kept(browser: Any, inbox: InboxServer) -> None:
    """The page follows the system, until the button says otherwise; then it keeps that."""
    page = open_page(browser, inbox, color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.click("#theme")
    light = page.evaluate(background)
    assert (dark, light) == ("rgb(20, 21, 23)", "rgb(246, 246, 244)")
    page.reload()
    assert page.evaluate(background) == light


def test_many_tabs(browser: Any, inbox: InboxServer) -> None:
    """Nine tabs work at once, though a browser opens six connections; when the one that listens goes, another does."""
    context = browser.new_context()
    pages = [context.new_page() for _ in range(9)]
    for page in pages:
        page.goto(inbox.url)
        page.wait_for_selector("#live.on", state="attached")
    add(inbox, Message("To all tabs", "x", to=["a@example.com"]))
    for page in pages:
        page.wait_for_selector(".item >> text=To all tabs")
    pages.pop(0).close()
    send_mail("And to the rest", "x", "me@example.com", ["you@example.com"])
    for page in pages:
        page.wait_for_selector(".item >> text=And to the rest")
        until(page, "document.title === '(2) Inbox'")
    context.close()


def test_an_inbox_that_ends_is_missed(browser: Any) -> None:
    """The page says that the inbox does not answer, and stops saying so when it is back."""
    with InboxServer.threaded() as first:
        page = open_page(browser, first)
        port = first.port
        assert page.inner_text("#live") == ""
    page.wait_for_selector("#live.lost >> text=The inbox does not answer")
    with InboxServer.threaded(http_port=port):
        page.wait_for_selector("#live.on:not(.lost)", state="attached")
        assert page.inner_text("#live") == ""


def test_a_mail_that_is_gone(browser: Any, inbox: InboxServer) -> None:
    """A mail that somebody else deleted is said to be gone, beside the list of those that are there."""
    found = fill(inbox)
    page = open_page(browser, inbox)
    page.evaluate("window.stop()")  # the list is not told: as if the deletion came in the same moment
    inbox.store.delete(f"id:{found}")
    page.click("text=Your invoice 42")
    page.wait_for_selector("h1 >> text=This mail is gone")
    assert page.locator(".item").count() == 7


def test_past_the_end_of_the_list(browser: Any, inbox: InboxServer) -> None:
    """j goes on from the last mail of the list's page, to the mails of the next one."""
    for number in range(52):
        add(inbox, Message(f"n{number}", "x", to=["a@example.com"]))
    page = open_page(browser, inbox)
    page.click(".item >> nth=49")
    page.wait_for_selector("h1 >> text=n2")
    page.keyboard.press("j")
    page.wait_for_selector("h1 >> text=n1")
    page.goto(inbox.url)
    page.focus(".item >> nth=49 >> a")
    with page.expect_navigation():
        page.keyboard.press("j")
    assert page.url.endswith("/?start=50")
    assert page.locator(".item").count() == 2


def test_unread_by_key_and_links_to_copy(browser: Any, inbox: InboxServer) -> None:
    """u marks the opened mail as unread; a link is copied by a click."""
    found = fill(inbox)
    page = open_page(browser, inbox, f"/messages/{found}?view=links")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("[aria-label='Copy the link 1']")
    page.wait_for_selector("text=Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "https://shop.example/pay/42"
    assert inbox.store.summary(found).unseen is False
    page.keyboard.press("u")
    until(page, "document.querySelector('.pill').textContent === '4 unread'")
    assert inbox.store.summary(found).unseen
    assert page.locator(f'.item[data-id="{found}"].unread').count() == 1


def test_on_a_phone(browser: Any, inbox: InboxServer) -> None:
    """One pane at a time; the chosen tab is in view; nothing is wider than the screen; back leads to the list."""
    found = fill(inbox)
    add(
        inbox,
        Message("Tags", "x", to=[f"zoe+a-tag-of-some-length-{number}@example.com" for number in range(9)]),
    )
    viewport = {"width": 360, "height": 640}
    page = browser.new_context(viewport=viewport, is_mobile=True, has_touch=True).new_page()
    page.goto(inbox.url)
    assert page.locator("#message").is_hidden()
    assert page.evaluate("document.querySelector('#list').scrollWidth") == 360
    page.tap("text=Your invoice 42")
    page.frame_locator(".stage iframe").locator("h1").wait_for()
    assert page.locator("#list").is_hidden()
    assert page.evaluate("document.querySelector('.mail').getBoundingClientRect().bottom >= innerHeight")
    for view in ("checks", "headers", "links", "raw", "source", "text", "html"):
        page.goto(f"{inbox.url}/messages/{found}?view={view}")
        until(page, "document.querySelector('.tabs').className !== 'tabs'")
        box = page.locator(f"[data-view={view}]").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert page.evaluate("document.querySelector('#message').scrollWidth") == 360
    page.tap("[aria-label='Back to the list']")
    page.wait_for_selector("#list .item")
    assert page.locator("#message").is_hidden()


PREVIEWS = '''
from typing import Literal
from modernmail import Message

def chosen(locale: Literal["en", "de"] = "en", plan: Literal["FREE", "PAID"] = "FREE", count: int = 1) -> Message:
    """What varies."""
    return Message(f"{locale} {plan} {count}", "x", to=["zoe@example.com"])
'''


def test_previews(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A choice shows at once; a view of the mail keeps the fields; the address keeps both."""
    (tmp_path / "chosen_previews.py").write_text(PREVIEWS)
    monkeypatch.syspath_prepend(str(tmp_path))
    with InboxServer.threaded(previews=Previews(PreviewMailer("chosen_previews"))) as server:
        page = browser.new_page()
        page.goto(f"{server.url}/previews")
        page.click(".cards a")
        page.wait_for_selector("h1 >> text=en FREE 1")
        page.select_option("select[name=plan]", "PAID")
        page.wait_for_selector("h1 >> text=en PAID 1")
        page.click("[data-view=headers]")
        page.wait_for_selector(".view-headers")
        assert page.input_value("select[name=plan]") == "PAID"
        page.select_option("select[name=locale]", "de")
        page.wait_for_selector("h1 >> text=de PAID 1")
        assert page.locator(".view-headers").count() == 1
        page.reload()
        page.wait_for_selector("h1 >> text=de PAID 1")
        assert [read(mail.content).subject for mail in server.store][-1] == "de PAID 1"
        page.close()


@pytest.mark.parametrize("kind", ["light", "dark", "phone"])
def test_screenshots(browser: Any, inbox: InboxServer, tmp_path: Path, kind: str) -> None:
    """The pictures of the documentation: list, mail, and headers beside the envelope. MODERNMAIL_WRITE_DOCS=1 puts them there."""
    folder = DOCS if os.environ.get("MODERNMAIL_WRITE_DOCS") == "1" else tmp_path
    folder.mkdir(exist_ok=True)
    found = fill(inbox)
    options: dict[str, Any] = {"color_scheme": "dark" if kind == "dark" else "light"}
    if kind == "phone":
        options |= {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}
    else:
        options["viewport"] = {"width": 1280, "height": 780}
    page = browser.new_context(**options).new_page()
    page.goto(inbox.url)
    page.wait_for_selector("#live.on", state="attached")
    page.screenshot(path=folder / f"inbox-list-{kind}.png")
    page.click("text=Your invoice 42")
    page.frame_locator(".stage iframe").locator("h1").wait_for()
    page.wait_for_selector("#blocked .shield")
    if kind == "dark":
        page.click("button[data-scheme]")
        page.frame_locator(".stage.dark iframe").locator("h1").wait_for()
    page.screenshot(path=folder / f"inbox-mail-{kind}.png")
    assert page.url.endswith(found)
    if kind == "light":
        page.click("[data-view=headers]")
        page.wait_for_selector(".view-headers")
        page.screenshot(path=folder / "inbox-headers-light.png")
    for name in ("list", "mail"):
        assert (folder / f"inbox-{name}-{kind}.png").stat().st_size > 10_000


NOTES = """
window.notes = [];
window.Notification = class extends EventTarget {
  static permission = "default";
  static async requestPermission() { return window.Notification.permission = "granted"; }
  constructor(title, options) { super(); window.notes.push(title + " | " + options.body); window.note = this; }
  close() {}
};
Document.prototype.hasFocus = () => Boolean(window.looking);
"""


def test_new_mail_is_told(browser: Any, inbox: InboxServer) -> None:
    """Who asked for it is told of new mail while looking elsewhere, by one tab of many; a click opens the mail."""
    page = browser.new_context().new_page()
    page.add_init_script(NOTES)
    page.goto(inbox.url)
    page.wait_for_selector("#live.on", state="attached")
    add(inbox, Message("Untold", "x", to=["zoe@example.com"]))
    page.wait_for_selector("text=Untold")
    assert page.evaluate("window.notes.length") == 0
    page.click("#notify")
    page.wait_for_selector("#notify[aria-pressed=true]")
    other = page.context.new_page()
    other.add_init_script(NOTES)
    other.goto(inbox.url)
    other.wait_for_selector("#live.on", state="attached")
    found = add(inbox, Message("Told <b>once</b>", "x", to=["zoe@example.com"]))
    until(page, "window.notes.length === 1")
    assert page.evaluate("window.notes") == ["Told <b>once</b> | shop@paper.example"]
    assert other.evaluate("window.notes.length") == 0
    page.evaluate("window.note.dispatchEvent(new Event('click'))")
    page.wait_for_url(f"**/messages/{found}")
    page.evaluate("window.looking = true")
    add(inbox, Message("Seen anyway", "x", to=["zoe@example.com"]))
    page.wait_for_selector("text=Seen anyway")
    page.click("#notify")
    page.wait_for_selector("#notify[aria-pressed=false]")
    assert page.evaluate("window.notes.length") == 1


def test_escape_closes_what_is_open(browser: Any, inbox: InboxServer) -> None:
    """Escape closes an open menu first, and gives the focus back to what opened it; then it leads to the list."""
    page = open_page(browser, inbox, f"/messages/{fill(inbox)}")
    page.focus("#list .menu summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    assert page.locator(".menu[open]").count() == 0
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert page.locator(".mail").count() == 1
    page.keyboard.press("Escape")
    until(page, "location.pathname === '/'")


def test_what_is_chosen_is_seen_without_colours(browser: Any, inbox: InboxServer) -> None:
    """Where the system's colours are forced, the opened mail, the chosen tab and width, and the search's focus have a line."""
    page = open_page(browser, inbox, f"/messages/{fill(inbox)}", forced_colors="active")
    page.focus("#search")
    chosen = {
        "document.querySelector('.item.selected'), '::before'": "backgroundColor",
        "document.querySelector('.tabs a[aria-current]'), '::after'": "backgroundColor",
        "document.querySelector('[data-width=full][aria-pressed]')": "outlineStyle",
        "document.querySelector('#search')": "outlineStyle",
    }
    look = [page.evaluate(f"getComputedStyle({what}).{style}") for what, style in chosen.items()]
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper not in look[:2]
    assert look[2:] == ["solid", "solid"]


def test_a_mail_alone(browser: Any, inbox: InboxServer) -> None:
    """The mail's HTML opens alone, to be printed or inspected, under the same policy."""
    page = open_page(browser, inbox, f"/messages/{fill(inbox)}")
    with page.context.expect_page() as opened:
        page.click("[aria-label='Open the mail alone']")
    opened.value.wait_for_selector("h1 >> text=Your invoice")
    answer = page.request.get(opened.value.url)
    assert answer.headers["content-security-policy"].startswith("sandbox")
