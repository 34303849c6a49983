"""The pages over HTTP: what they show, what they refuse, and what leaves with every answer."""

from __future__ import annotations

import asyncio
import base64
import re
import smtplib
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from web import Client

from modernmail import Mailer, Message
from modernmail.errors import ConfigurationError
from modernmail.inbox import CapturedMail, DiskStore, InboxServer, MemoryStore
from modernmail.inbox.backend import captured
from modernmail.inbox.web.guard import is_this_machine
from modernmail.inbox.web.release import Release
from modernmail.inbox.web.watch import Watch

if TYPE_CHECKING:
    from pathlib import Path

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


def mail(message: Message) -> CapturedMail:
    """The mail that would be caught."""
    return captured(Mailer("null:", from_email="Shop <shop@example.com>").parcel(message))


def invoice() -> Message:
    """A mail with everything."""
    html = (
        "<html><head><meta name='color-scheme' content='light dark'></head><body><img src='cid:logo' alt=''>"
        "<img src='https://tracker.example/p.gif' alt=''><a href='https://shop.example/pay?a=1&amp;b=2'>Pay</a></body>"
    )
    return (
        Message("Invoice 42", "Pay at https://shop.example/pay. Your code is 493201.", html, to=["Zoë <zoe@example.com>"],
                cc=["books@example.com"], bcc=["archive+audit@example.com"])
        .embed("logo", PNG, "image/png")
        .attach("Rechnung für Zoë.pdf", b"%PDF-1.7", "application/pdf")
    )  # fmt: skip


def test_the_empty_page_says_where_to_send(server: InboxServer, store: Any, client: Client) -> None:
    """Without mail, the page shows the address to send to."""
    page = client.get("/")
    assert page.status == 200
    assert "Nothing here yet" in page.text
    assert server.smtp_url in page.text


def test_the_list(store: Any, client: Client) -> None:
    """The list shows subject, sender, recipient, tags and counts, and links to each mail by its id."""
    summary = store.add(mail(invoice()))
    page = client.get("/").text
    assert f'href="/messages/{summary.id}"' in page
    for words in ("Invoice 42", "Shop", "Zoë", "+2", "audit", "1 unread", "<title>(1) Inbox"):
        assert words in page
    assert client.get("/", x_fragment="list").text in page
    assert client.get("/", x_fragment="rest").status == 400


def test_tags_that_are_many(store: Any, client: Client) -> None:
    """Above the list are the tags that most mails share; tests that give each mail a tag of its own fill no screen."""
    for number in range(30):
        to = [f"zoe+run-{number}@example.com", *(f"a+kind-{kind}@example.com" for kind in range(number))]
        store.add(mail(Message("x", "y", to=to)))
    shown = re.findall(r'class="tag [^"]*" href="[^"]*">([^<]+)<', client.get("/").text)
    assert shown == sorted(f"kind-{kind}" for kind in range(12))
    counts = client.json("/api/v1/info")["Tags"]
    assert (counts["run-0"], counts["kind-0"]) == (1, 29)
    store.delete("tag:kind-12")
    shown = re.findall(r'class="tag [^"]*" href="[^"]*">([^<]+)<', client.get("/").text)
    assert shown == sorted(f"kind-{kind}" for kind in range(11))


def test_the_list_is_searched(store: Any, client: Client) -> None:
    """`?q=` shows what fits; what means nothing is said on the page; long lists have pages."""
    for number in range(60):
        store.add(mail(Message(f"Report {number}", "x", to=["a@example.com"])))
    assert ">Report 59<" in client.get("/").text
    assert ">Report 0<" in client.get("/?start=50").text
    assert ">Report 59<" not in client.get("/?start=50").text
    found = client.get("/?q=subject:%22Report%207%22").text
    assert "<b>1</b> of 60" in found
    assert "No mail fits" in client.get("/?q=zzz").text
    assert "form: unknown; there are from" in client.get("/?q=form:x").text
    assert client.get("/?start=x&q=is:unread").status == 200


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        ("html", 'sandbox="allow-popups allow-popups-to-escape-sandbox"'),
        ("text", '<a href="https://shop.example/pay" target="_blank" rel="noopener noreferrer">'),
        ("source", "&lt;img src=&#39;cid:logo&#39;"),
        ("headers", "in the envelope only: Bcc"),
        ("raw", "Content-Type: multipart/mixed"),
        ("links", "https://shop.example/pay?a=1&amp;b=2"),
        ("checks", "caniemail.com"),
    ],
)
def test_the_views_of_a_mail(store: Any, client: Client, view: str, shown: str) -> None:
    """Each tab shows its side of the mail, whole page or piece."""
    summary = store.add(mail(invoice()))
    page = client.get(f"/messages/{summary.id}?view={view}").text
    assert shown in page
    assert "archive+audit@example.com" in page
    assert "Rechnung für Zoë.pdf" in page
    assert shown in client.get(f"/messages/{summary.id}?view={view}", x_fragment="message").text
    assert store.count("is:unread") == 0


def test_what_is_not_there(store: Any, client: Client) -> None:
    """An unknown mail, part, asset or method is 404 or 405, and says so."""
    assert client.get("/messages/none").status == 404
    assert "This mail is gone" in client.get("/messages/none").text
    assert client.get("/messages/none", X_Fragment="message").text == "This mail is gone"
    summary = store.add(mail(Message("x", "y", to=["a@example.com"])))
    assert client.get(f"/messages/{summary.id}/parts/9").status == 404
    assert client.get("/static/../app.py").status == 404
    assert client.get("/nothing").status == 404
    assert client.get(f"/messages/{summary.id}/delete").status == 405
    assert client.get("/favicon.ico").headers["location"].startswith("/static/icon.svg?v=")


def test_the_preview_is_isolated(store: Any, client: Client) -> None:
    """The mail's HTML comes under a policy that lets nothing run or load, with images of the mail inside."""
    summary = store.add(mail(invoice()))
    answer = client.get(f"/messages/{summary.id}/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; "
        "style-src 'unsafe-inline'; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
        f"report-uri /blocked/{summary.id}/"
    )
    assert "report-to" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["x-dns-prefetch-control"] == "off"
    assert f"data:image/png;base64,{base64.b64encode(PNG).decode()}" in answer.text
    assert "<meta" not in answer.text
    remote = client.get(f"/messages/{summary.id}/html?remote=1").headers["content-security-policy"]
    assert "img-src data: http: https:;" in remote
    assert "default-src 'none'" in remote


def test_the_page_has_a_policy_of_its_own(client: Client) -> None:
    """The page takes its own script and style by nonce, and markup by one Trusted Types policy."""
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    for directive in (
        "default-src 'none'",
        "frame-src 'self'",
        "require-trusted-types-for 'script'",
        "base-uri 'none'",
    ):
        assert directive in policy
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert answer.text.count(f'nonce="{nonce}"') == 2
    assert "http://" not in answer.text.replace("http://www.w3.org/", "").replace(
        f"http://{client.server.host}", ""
    )


def test_color_schemes(store: Any, client: Client) -> None:
    """The dark-mode toggle answers the mail's media queries, whatever the browser prefers."""
    html = "<style>@media (prefers-color-scheme: dark) { a {} } @media (PREFERS-color-scheme:light) { b {} }</style>"
    summary = store.add(mail(Message("x", "y", html, to=["a@example.com"])))
    dark = client.get(f"/messages/{summary.id}/html?scheme=dark").text
    assert "@media (min-width:0) { a {} } @media (max-width:0) { b {} }" in dark
    light = client.get(f"/messages/{summary.id}/html?scheme=light").text
    assert "@media (max-width:0) { a {} } @media (min-width:0) { b {} }" in light
    declared = store.add(mail(invoice()))
    assert "color-scheme:dark" in client.get(f"/messages/{declared.id}/html?scheme=dark").text
    assert "color-scheme:light dark" in client.get(f"/messages/{declared.id}/html").text


def test_files_are_saved_not_shown(store: Any, client: Client) -> None:
    """Attachments and downloads come as files, in a sandbox, with their names; only plain images may be looked at."""
    summary = store.add(mail(invoice().attach("page.html", b"<script>1</script>", "text/html")))
    read = client.json(f"/api/mails/{summary.id}")
    paths = {file["media_type"]: file["path"] for file in read["files"]}
    pdf = client.get(f"/messages/{summary.id}/parts/{paths['application/pdf']}")
    assert pdf.body == b"%PDF-1.7"
    assert pdf.headers["content-disposition"] == (
        "attachment; filename=\"Rechnung f_r Zo_.pdf\"; filename*=UTF-8''Rechnung%20f%C3%BCr%20Zo%C3%AB.pdf"
    )
    page = client.get(f"/messages/{summary.id}/parts/{paths['text/html']}?show=1")
    assert page.headers["content-disposition"].startswith("attachment")
    assert page.headers["content-security-policy"].startswith("sandbox")
    image = client.get(f"/messages/{summary.id}/parts/{paths['image/png']}?show=1")
    assert (image.body, image.headers["content-type"]) == (PNG, "image/png")
    assert "content-disposition" not in image.headers
    whole = client.get(f"/messages/{summary.id}/download")
    assert whole.body == store.get(summary.id).content
    assert whole.headers["content-type"] == "message/rfc822"
    raw = client.get(f"/messages/{summary.id}/raw")
    assert raw.headers["content-type"].startswith("text/plain")
    assert raw.headers["content-security-policy"] == "sandbox; default-src 'none'"


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("../../etc/passwd", "passwd"),
        (r"..\..\evil.exe", "evil.exe"),
        ("invoice\u202efdp.exe", "invoice_fdp.exe"),  # a reader of the name sees "invoice exe.pdf"
        ("x\u2066a\u2069.txt", "x_a_.txt"),
        ('a"; filename="b.exe', "a_; filename=_b.exe"),
        ("..", "part-1.pdf"),
        ("שלום.pdf", "שלום.pdf"),
    ],
)
def test_names_to_save_under(store: Any, client: Client, name: str, saved: str) -> None:
    """The name of an attachment leads to no folder, adds nothing to the header, and hides no ending."""
    encoded = f"=?utf-8?b?{base64.b64encode(name.encode()).decode()}?="
    content = f'Content-Type: application/pdf; name="{encoded}"\r\nContent-Disposition: attachment\r\n\r\nx'
    summary = store.add(CapturedMail("", ("a@example.com",), content.encode()))
    answer = client.get(f"/messages/{summary.id}/parts/0")
    plain, _, coded = answer.headers["content-disposition"].partition("; filename*=UTF-8''")
    assert unquote(coded) == saved
    assert re.fullmatch(r'attachment; filename="[\w. -]+"', plain, re.ASCII)


@pytest.mark.parametrize(
    ("subject", "saved"),
    [("Orders 3/4", "Orders 3_4.eml"), ("../../x", "_.._x.eml"), ("a\u202elme.exe", "a_lme.exe.eml")],
)
def test_a_subject_to_save_under(store: Any, client: Client, subject: str, saved: str) -> None:
    """A mail is saved under its subject, which leads to no folder and hides no ending either."""
    summary = store.add(CapturedMail("", ("a@example.com",), f"Subject: {subject}\r\n\r\nx".encode()))
    answer = client.get(f"/messages/{summary.id}/download")
    assert unquote(answer.headers["content-disposition"].partition("; filename*=UTF-8''")[2]) == saved


def test_what_has_no_name_is_saved_by_its_kind(store: Any, client: Client) -> None:
    """A message or an invitation inside a mail is saved with the ending that opens it."""
    parts = "".join(
        f"--q\r\nContent-Type: {kind}\r\n\r\nSubject: x\r\n" for kind in ("message/rfc822", "text/calendar")
    )
    content = f"Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\nx\r\n{parts}--q--\r\n"
    summary = store.add(CapturedMail("", ("a@example.com",), content.encode()))
    names = [
        client.get(f"/messages/{summary.id}/parts/{path}").headers["content-disposition"] for path in "23"
    ]
    assert 'filename="part-2.eml"' in names[0]
    assert 'filename="part-3.ics"' in names[1]


def test_what_can_be_done(store: Any, client: Client) -> None:
    """Delete, unread, read and delete-all are POSTs that lead back."""
    one, two, three = (store.add(mail(Message(f"n{n}", "x", to=["a@example.com"]))) for n in range(3))
    client.get(f"/messages/{one.id}")
    assert store.count("is:unread") == 2
    assert client.post(f"/messages/{one.id}/unread").status == 303
    assert store.count("is:unread") == 3
    assert client.post("/read", {"q": "subject:n1"}).headers["location"] == "/"
    assert store.count("is:unread") == 2
    assert client.post(f"/messages/{two.id}/delete?q=n").headers["location"] == "/?q=n"
    assert len(store) == 2
    client.post("/delete", {"q": "subject:n2"})
    assert [found.id for found in store] == [one.id]
    client.post("/delete")
    assert len(store) == 0
    assert three.seq == 3 + one.seq - 1


@pytest.mark.parametrize("path", ["/delete", "/read"])
def test_a_search_that_means_nothing_changes_nothing(store: Any, client: Client, path: str) -> None:
    """Deleting or marking what an unknown term finds is a 400 that names it, and nothing happens."""
    store.add(mail(Message("x", "y", to=["a@example.com"])))
    answer = client.post(path, {"q": "colour:red"})
    assert (answer.status, "colour:" in answer.text) == (400, True)
    assert store.count("is:unread") == 1


def test_the_parts_of_a_mail(store: Any, client: Client) -> None:
    """The view of the headers shows which part stands in which, with name, encoding and size."""
    page = client.get(f"/messages/{store.add(mail(invoice())).id}?view=headers", x_fragment="message").text
    kinds = re.findall(r'class="depth-(\d)"><code>([a-z/]+)<', page)
    assert kinds == [
        *(("0", "multipart/mixed"), ("1", "multipart/related"), ("2", "multipart/alternative")),
        *(("3", "text/plain"), ("3", "text/html"), ("2", "image/png"), ("1", "application/pdf")),
    ]
    assert "cid:logo" in page


def test_images_have_a_small_picture_and_many_files_are_cut(store: Any, client: Client) -> None:
    """An attached image is shown small; of very many files the first are listed, and how many more there are."""
    message = Message("x", "y", to=["a@example.com"]).attach("a.png", PNG, "image/png")
    page = client.get(f"/messages/{store.add(mail(message)).id}").text
    source = re.findall(r'class="thumb" src="([^"]+)"', page)
    assert [client.get(address).body for address in source] == [PNG]
    for number in range(40):
        message.attach(f"{number}.txt", "x", "text/plain")
    page = client.get(f"/messages/{store.add(mail(message)).id}").text
    assert "29.txt" not in page
    assert "and 35 more" in page  # unfolds to show more of them
    assert "and 11 more" in page


def test_a_fault_of_ours_shows_the_mail_raw(
    store: Any, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A mail that our code fails at has a page that says why, and its bytes; the log tells the rest."""
    summary = store.add(mail(Message("strange", "y", to=["a@example.com"])))
    monkeypatch.setattr("modernmail.inbox.web.shown.find_links", lambda _: 1 / 0)
    answer = client.get(f"/messages/{summary.id}")
    assert answer.status == 500
    assert "ZeroDivisionError: division by zero" in answer.text
    assert f'href="/messages/{summary.id}/raw"' in answer.text
    assert "cannot be shown" in caplog.text
    assert client.get(f"/messages/{summary.id}", X_Fragment="message").status == 500
    assert client.get(f"/messages/{summary.id}/raw").body == store.get(summary.id).content
    assert client.get(f"/messages/{summary.id}/download").status == 200
    assert client.get("/").status == 200


def test_the_next_and_the_previous(store: Any, client: Client) -> None:
    """A mail links to its neighbours among what the search finds."""
    ids = [
        store.add(mail(Message(f"{'even' if n % 2 == 0 else 'odd'}", "x", to=["a@example.com"]))).id
        for n in range(5)
    ]
    page = client.get(f"/messages/{ids[2]}?q=even").text
    assert f'rel="prev" href="/messages/{ids[4]}?q=even"' in page
    assert f'rel="next" href="/messages/{ids[0]}?q=even"' in page
    assert client.get(f"/messages/{ids[2]}?q=form:x").status == 200


def test_reports_of_blocked_loads(store: Any, client: Client) -> None:
    """A report with the mail's token adds to what the page lists; one without it, or about nothing, does not."""
    summary = store.add(mail(invoice()))
    policy = client.get(f"/messages/{summary.id}/html").headers["content-security-policy"]
    address = policy.partition("report-uri ")[2]
    body = b'{"csp-report": {"blocked-uri": "https://dyn.example/x", "effective-directive": "font-src"}}'
    report = {"Content_Type": "application/csp-report", "Origin": "null", "Sec_Fetch_Site": "cross-site"}
    assert client.ask("POST", address, body, **report).status == 204
    line = client.get(f"/messages/{summary.id}/blocked").text
    assert "https://dyn.example/x" in line
    assert "https://tracker.example/p.gif" in line
    wrong = f"/blocked/{summary.id}/{'0' * 32}"
    client.ask("POST", wrong, body.replace(b"dyn", b"forged"), **report)
    assert "forged" not in client.get(f"/messages/{summary.id}/blocked").text
    assert client.ask("POST", address, b"{}", **report).status == 400


def test_the_line_about_blocked_loads(store: Any, client: Client) -> None:
    """The line keeps what the page around it was asked: the search, and that remote images are shown."""
    at = f"/messages/{store.add(mail(invoice())).id}/blocked"
    line = client.get(f"{at}?q=to:zoe").text
    assert "<b>1</b>" in line
    assert "remote=1&amp;q=to%3Azoe" in line.replace("&q", "&amp;q")
    line = client.get(f"{at}?remote=1&q=to:zoe").text
    assert "Remote images are shown" in line
    assert "q=to%3Azoe" in line
    quiet = store.add(mail(Message("x", "y", "<p>z", to=["a@example.com"])))
    assert "Nothing remote" in client.get(f"/messages/{quiet.id}/blocked").text


# -- who may ask


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "", "localhost.evil", "[::2]"]
)
def test_a_foreign_host_is_refused(client: Client, host: str) -> None:
    """A name that only resolves to this machine gets nothing: neither page nor mail nor stream."""
    for path in ("/", "/api/mails", "/events", "/static/inbox.css"):
        assert client.get(path, Host=host).status == 403


@pytest.mark.parametrize(
    "host", ["inbox.localhost:8025", "localhost:1", "127.0.0.1", "127.8.8.8:90", "[::1]:8025", "LOCALHOST"]
)
def test_names_of_this_machine_are_taken(client: Client, host: str) -> None:
    """Loopback names are taken with any port: a tunnel may change it."""
    assert is_this_machine(host)
    assert client.get("/", Host=host).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_foreign_origin_changes_nothing(store: Any, client: Client, headers: dict[str, str]) -> None:
    """Another page can neither delete nor mark nor stream nor wait."""
    summary = store.add(mail(Message("x", "y", to=["a@example.com"])))
    for path in (f"/messages/{summary.id}/delete", "/delete", "/read", f"/messages/{summary.id}/release"):
        assert client.post(path, **headers).status == 403
    assert client.ask("DELETE", "/api/mails", **headers).status == 403
    assert client.ask("PUT", "/api/v1/messages", b"{}", **headers).status == 403
    assert client.get("/events", **headers).status == 403
    assert client.get("/api/wait?timeout=0", **headers).status == 403
    assert store.count("is:unread") == 1


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("no-cors", "image"),
        ("no-cors", "script"),
        ("no-cors", "empty"),
        ("cors", "empty"),
        ("navigate", "iframe"),
    ],
)
def test_a_foreign_page_embeds_and_measures_nothing(
    store: Any, client: Client, site: str, mode: str, kind: str
) -> None:
    """Another page, or the HTML of a mail, gets no answer to measure and marks nothing as read; a link leads here."""
    summary = store.add(mail(Message("x", "y", to=["a@example.com"])))
    asked: dict[str, Any] = {"sec_fetch_site": site, "sec_fetch_mode": mode, "sec_fetch_dest": kind}
    for path in (
        "/",
        "/?q=secret",
        "/api/mails?q=secret",
        "/api/v1/message/latest",
        f"/messages/{summary.id}",
    ):
        assert client.get(path, **asked).status == 403
    assert client.get(f"/messages/{summary.id}/html", **asked).status == 403
    assert store.count("is:unread") == 1
    followed: dict[str, Any] = {
        "sec_fetch_site": site,
        "sec_fetch_mode": "navigate",
        "sec_fetch_dest": "document",
    }
    assert client.get(f"/messages/{summary.id}", **followed).status == 200
    assert client.get("/api/wait?timeout=0", **followed).status == 403


def test_our_own_origin_is_taken(server: InboxServer, store: Any, client: Client) -> None:
    """The page itself may do what it offers."""
    own = {"Origin": server.url, "Sec_Fetch_Site": "same-origin"}
    assert client.post("/read", **own).status == 303


def test_another_address_needs_credentials() -> None:
    """Listening where others can reach it takes a user and a password, asked for by page and SMTP alike."""
    with pytest.raises(ConfigurationError, match=r"'0\.0\.0\.0' can be reached from outside"):
        InboxServer(host="0.0.0.0")
    with InboxServer.threaded(credentials=("zoe", "sësame")) as server:
        client = Client(server)
        assert client.get("/").status == 401
        assert client.get("/").headers["www-authenticate"].startswith("Basic")
        for given in ("zoe:wrong", "zoe:sësame:", "adam:sësame"):
            token = base64.b64encode(given.encode()).decode()
            assert client.get("/", Authorization=f"Basic {token}").status == 401
        assert client.get("/", Authorization="Basic !!").status == 401
        token = base64.b64encode("zoe:sësame".encode()).decode()
        assert client.get("/", Authorization=f"Basic {token}", Host="inbox.example").status == 200
        assert server.capture.knows("zoe", "sësame")
        assert not server.capture.knows("zoe", "wrong")


def test_further_host_names() -> None:
    """A host name that was named is taken."""
    with InboxServer.threaded(hostnames=["Inbox.Test"]) as server:
        assert Client(server).get("/", Host="inbox.test:8025").status == 200
        assert Client(server).get("/", Host="other.test").status == 403


def test_taken_ports_are_named() -> None:
    """A port in use is an error that names it, for HTTP and for SMTP, and nothing stays open."""
    before = threading.active_count()
    with InboxServer.threaded() as server:
        with pytest.raises(ConfigurationError, match=f"{server.port}: Address already in use; port 0 takes"):
            InboxServer.threaded(http_port=server.port).__enter__()
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{server.capture.port}"):
            InboxServer.threaded(smtp_port=server.capture.port).__enter__()
    assert threading.active_count() == before


def test_a_page_that_cannot_be_served_is_an_error_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the web server dies of in its start is raised, instead of a wait for ever; both ports are free again."""
    from modernmail.inbox.web.serving import Web

    async def fail(self: Web, sockets: object = None) -> None:
        raise RuntimeError("no start today")

    before = threading.active_count()
    with InboxServer.threaded() as server:
        ports = {"http_port": server.port, "smtp_port": server.capture.port}
    with monkeypatch.context() as patch:
        patch.setattr(Web, "startup", fail)
        with pytest.raises(RuntimeError, match="no start today"):
            InboxServer.threaded(**ports).__enter__()
    assert threading.active_count() == before
    with InboxServer.threaded(**ports) as server:
        assert Client(server).get("/").status == 200


def test_a_host_that_is_none_is_told_as_the_look_up_did() -> None:
    """A name that cannot be looked up is told in the look-up's words: its numbers are not the system's."""
    with pytest.raises(ConfigurationError, match=r"cannot listen on nowhere\.invalid:0: \D+$") as caught:
        InboxServer.threaded(host="nowhere.invalid", credentials=("zoe", "secret")).__enter__()
    assert "Unknown error" not in str(caught.value)


# -- hostile mail

BROKEN = {
    "no header": b"nothing but words",
    "empty": b"",
    "wrong charset": b"Subject: x\r\nContent-Type: text/html; charset=utf-16\r\n\r\n\xff\xfe\x00",
    "10,000 parts": b"Subject: x\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n"
    + b"--q\r\n\r\nx\r\n" * 10_000,
    "nested messages": b"Content-Type: message/rfc822\r\n\r\n" * 3_000,
    "nested multiparts": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(500)
    ),
    "NUL and controls": b"Subject: a\x00\x1b[31m\r\n\r\n\x00\x01\x02",
    "long subject": b"Subject: " + b"x" * 300_000 + b"\r\n\r\n",
    "a character reference of 5,000 digits": b"Content-Type: text/html\r\n\r\n<a title='&#%s;'>&#%s;</a>"
    % (b"9" * 5_000, b"0" * 5_000),
    "bad encodings": b"Subject: =?x?q?=FF?=\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_mail_is_shown_as_far_as_it_can_be(store: Any, client: Client, kind: str) -> None:
    """Whatever arrives is kept, listed and opened in every view, and the page stays up."""
    summary = store.add(CapturedMail("", ("a@example.com",), BROKEN[kind]))
    assert summary.id in client.get("/").text
    for view in ("", "html", "text", "source", "headers", "raw", "links", "checks"):
        assert client.get(f"/messages/{summary.id}?view={view}").status == 200
    assert client.get(f"/messages/{summary.id}/html").status == 200
    assert client.get(f"/messages/{summary.id}/raw").body == BROKEN[kind]
    assert client.get(f"/api/mails/{summary.id}").status == 200
    assert client.get(f"/api/mails/{summary.id}/lint").status == 200


def test_crowds_are_cut(store: Any, client: Client) -> None:
    """Of very many recipients and header fields the first are shown, and how many more there are."""
    to = ", ".join(f"a{number}@example.com" for number in range(3_000))
    fields = "".join(f"X-{number}: y\r\n" for number in range(3_000))
    crowd = tuple(f"b{number}@example.com" for number in range(60))
    summary = store.add(CapturedMail("", crowd, f"Subject: x\r\nTo: {to}\r\n{fields}\r\nx".encode()))
    page = client.get(f"/messages/{summary.id}").text
    assert "and 2,990 more" in page  # unfolds to show more of them
    assert "and 2,950 more" in page
    assert "and 50 more" in page
    assert "and 10 more" in page
    page = client.get(f"/messages/{summary.id}?view=headers").text
    assert "and 2,561 more" in page  # return path, 3,000 and 60 recipients
    assert "and 1,500 more" in page  # of the 2,000 fields that are read
    assert len(page) < 500_000


@pytest.mark.once
def test_very_large_mail(tmp_path: Path) -> None:
    """20 MB of HTML and 50 MB of attachment are kept whole, shown in part, and the page says so."""
    html = b"<p>" + b"0123456789abcdef " * 1_250_000
    file = base64.b64encode(bytes(1024)).ljust(76) * 700 * 1000
    content = (
        b"Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n"
        b"--q\r\nContent-Type: text/html\r\n\r\n"
        + html
        + b"\r\n--q\r\nContent-Disposition: attachment; filename=a.bin"
        b"\r\n\r\n" + file[: 50 * 1024 * 1024] + b"\r\n--q--\r\n"
    )
    limit = {"max_size": 100 * 1024 * 1024}
    with DiskStore(tmp_path) as store, InboxServer.threaded(store, smtp=limit) as server:
        client = Client(server)
        with smtplib.SMTP(server.capture.host, server.capture.port) as sender:
            sender.sendmail("b@example.com", ["a@example.com"], content)
        (summary,) = store.find()
        frame = client.get(f"/messages/{summary.id}/html")
        assert len(frame.body) < 5_000_000
        assert "Only the beginning is shown" in client.get(f"/messages/{summary.id}?view=source").text
        assert "characters of the HTML were checked" in client.get(f"/messages/{summary.id}?view=checks").text
        assert len(client.get(f"/messages/{summary.id}/download").body) == len(content)


# -- releasing


def test_releasing(store: Any) -> None:
    """A mail is released, unchanged, to those on the list, and to nobody else."""
    out = MemoryStore()
    with InboxServer.threaded(out) as target:
        release = Release(Mailer(target.smtp_url), ["*@example.com"])
        with InboxServer.threaded(release=release) as server:
            client = Client(server)
            summary = server.store.add(mail(invoice()))
            page = client.get(f"/messages/{summary.id}").text
            assert "Allowed are *@example.com." in page
            assert "Others of this mail" not in page
            answer = client.post(
                f"/messages/{summary.id}/release", {"to": "Zoe@Example.com, adam@example.com"}
            )
            assert answer.status == 303
            assert (
                "Released to Zoe@Example.com, adam@example.com" in client.get(answer.headers["location"]).text
            )
            refused = client.post(
                f"/messages/{summary.id}/release", {"to": "zoe@example.com real@example.org"}
            )
            page = client.get(refused.headers["location"]).text
            assert "not on the list of those to release to" in page
        (sent,) = out
        assert sent.content == server.store.get(summary.id).content
        assert sent.recipients == ("Zoe@Example.com", "adam@example.com")


def test_releasing_to_some(store: Any) -> None:
    """Only who may get the mail is proposed, and who was refused is named, with the server's words."""
    with InboxServer.threaded(smtp={"refuse": {"zoe@example.com"}}) as target:
        release = Release(Mailer(target.smtp_url), ["zoe@example.com", "books@*"])
        with InboxServer.threaded(release=release) as server:
            client = Client(server)
            summary = server.store.add(mail(invoice()))
            page = client.get(f"/messages/{summary.id}").text
            assert 'value="zoe@example.com, books@example.com"' in page
            assert "Others of this mail are left out" in page
            form = {"to": "zoe@example.com, books@example.com"}
            answer = client.post(f"/messages/{summary.id}/release", form)
            page = client.get(answer.headers["location"]).text
            assert "Released to books@example.com." in page
            assert "Not released: zoe@example.com (rejected: 550 5.1.1" in page


def test_releasing_is_off_unless_it_is_set_up(store: Any, client: Client) -> None:
    """Without a mailer and a list, the page offers no release, and none happens."""
    summary = store.add(mail(invoice()))
    assert "/release" not in client.get(f"/messages/{summary.id}").text
    answer = client.post(f"/messages/{summary.id}/release", {"to": "zoe@example.com"})
    assert "nothing may be released" in client.get(answer.headers["location"]).text


# -- live


def test_live_updates(server: InboxServer, store: Any) -> None:
    """An open stream hears of a new mail within a second, and of the end."""
    import http.client

    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request("GET", "/events")
    stream = connection.getresponse()
    assert stream.getheader("content-type", "").startswith("text/event-stream")

    def event() -> str:
        lines = []
        while line := stream.readline().decode().strip():
            lines.append(line)
        return " ".join(lines)

    assert '"total": 0' in event()
    start = time.monotonic()
    store.add(mail(invoice()))
    heard = event()
    assert heard.startswith("event: change")
    assert '"total": 1, "unread": 1' in heard
    assert time.monotonic() - start < 5
    connection.close()


def test_a_disk_in_trouble_does_not_end_live_updates(
    store: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When the store cannot be looked at for a moment, who listens hears of the next change all the same."""
    failing = threading.Event()

    class Troubled(MemoryStore):
        @property
        def version(self) -> tuple[int, int]:
            if failing.is_set():
                failing.clear()
                raise sqlite3.OperationalError("disk I/O error")
            return super().version

    async def main() -> list[str | None]:
        troubled = Troubled()
        watch = Watch(troubled)
        async with watch.listen() as queue:
            failing.set()
            troubled.add(mail(Message("x", "y", to=["a@example.com"])))
            heard = [await asyncio.wait_for(queue.get(), 20)]
        await watch.end()
        return heard

    assert asyncio.run(main()) == ["changed"]
    assert "disk I/O error" in caplog.text


def test_closing_ends_open_streams() -> None:
    """Closing the server does not wait for the browsers that listen."""
    import http.client

    with InboxServer.threaded() as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
        connection.request("GET", "/events")
        stream = connection.getresponse()
        stream.readline()
    assert b"event: change" in stream.read()
    connection.close()


def test_more_listeners_than_one_and_none(store: Any) -> None:
    """The store is watched while somebody listens, for all of them at once, and not afterwards."""
    import asyncio

    from modernmail.inbox.web.watch import Watch

    async def main() -> list[str | None]:
        watch = Watch(store)
        async with watch.listen() as one, watch.listen() as two:
            store.add(mail(Message("x", "y", to=["a@example.com"])))
            heard = [await asyncio.wait_for(one.get(), 10), await asyncio.wait_for(two.get(), 10)]
            for _ in range(150):
                watch.tell("blocked x")
            assert one.qsize() == 100
            await watch.end()
            heard += [await one.get(), await two.get()]
        async with watch.listen() as late:
            heard.append(await late.get())
        return heard

    assert asyncio.run(main()) == ["changed", "changed", None, None, None]


def test_blocked_lists_are_bounded() -> None:
    """What was blocked is kept once each, for the last thousand mails, five hundred addresses each."""
    from modernmail.csp import Report
    from modernmail.inbox.web.blocked import Blocked

    blocked = Blocked()
    for number in range(600):
        blocked.add("first", Report({"blocked-uri": f"https://x.example/{number}"}))
    assert not blocked.add("first", Report({"blocked-uri": "https://x.example/1"}))
    assert len(blocked.of("first")) == 500
    for number in range(1_000):
        blocked.add(f"mail {number}", Report({"blocked-uri": "https://x.example/"}))
    assert blocked.of("first") == []


def test_inline_images_are_bounded(store: Any, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail that shows one large inline image a thousand times shows as many as fit; other parts are no images."""
    monkeypatch.setattr("modernmail.inbox.web.preview.LARGEST_INLINE", 300)
    html = "<img src=cid:logo>" * 5 + "<img src=cid:none><img src=cid:page>"
    message = Message("x", "y", html, to=["a@example.com"]).embed("logo", PNG, "image/png")
    summary = store.add(mail(message.embed("page", b"<p>", "text/html")))
    shown = client.get(f"/messages/{summary.id}/html").text
    assert shown.count("data:image/png") == 2
    assert shown.count("cid:logo") == 3
    assert "cid:page" in shown


def test_a_form_is_bounded(client: Client) -> None:
    """A form of a megabyte is refused."""
    assert client.ask("POST", "/delete", b"q=" + b"x" * 100_000).status == 413


def test_mail_without_html(store: Any, client: Client) -> None:
    """A preview of nothing is an empty page; a text view of nothing says so."""
    text = store.add(mail(Message("x", "y", to=["a@example.com"])))
    assert client.get(f"/messages/{text.id}/html").text == '<base target="_blank">'
    html = store.add(mail(Message("x", html="<p>y", to=["a@example.com"])))
    assert client.get(f"/messages/{html.id}?view=text").text.count("view-html") == 1


def test_what_differs_between_envelope_and_header(store: Any, client: Client) -> None:
    """A recipient of the header alone, a Bcc field, another return path and a null path are marked."""
    content = b"From: a@example.com\r\nTo: b@example.com, gone@example.com\r\nBcc: seen@example.com\r\n\r\nx"
    one = store.add(CapturedMail("bounce@example.net", ("b@example.com", "seen@example.com"), content))
    page = client.get(f"/messages/{one.id}?view=headers").text
    for remark in ("bounces go elsewhere", "in the header only: not sent there", "everybody can read it"):
        assert remark in page
    two = store.add(
        CapturedMail(
            "", ("b@example.com",), content, options=("SIZE=1",), recipient_options=(("NOTIFY=NEVER",),)
        )
    )
    page = client.get(f"/messages/{two.id}?view=headers").text
    assert "&lt;&gt;" in page
    assert "SIZE=1, NOTIFY=NEVER (b@example.com)" in page


def test_days_and_years() -> None:
    """The list shows the time of today, the day of this year, and the year before that."""
    from datetime import datetime, timedelta

    from modernmail.inbox.web.wording import moment

    now = datetime.now().astimezone()
    assert moment(now) == f"{now:%H:%M}"
    assert moment(datetime(2001, 2, 3).astimezone()) == "3 Feb 2001"
    other = now - timedelta(days=1)
    assert moment(other).startswith(f"{other.day} {other:%b}")
