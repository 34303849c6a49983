"""Hostile mail: no script runs, wherever it hides, and the page's own policy is never broken."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

import pytest

from modernmail.inbox import CapturedMail, InboxServer
from modernmail.inbox.web.preview import STRIPPED, inert

XSS = [
    "<script>window.top.xss=1;alert(1)</script>",
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    "<img src=x onerror=window.top.xss=1>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</pre><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    '" onmouseover="alert(1)" autofocus onfocus="alert(1)" x="',
    "' onclick='alert(1)' x='",
    "javascript:alert(1)",
    "javascript://%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "{{ 7 * 7 }}{% for x in y %}",
    "${alert(1)}`alert(1)`",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "<iframe srcdoc='<script>parent.xss=1</script>'>",
    "<a href=javascript:alert(1)>x</a>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "\u2028alert(1)\u2029",
    "\u202e<script>\u202calert(1)",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script>",
    '\\"><script>alert(1)</script>',
]

BODIES = [
    *XSS,
    "<form action='javascript:alert(1)'><button autofocus>x</button></form>",
    "<body onload=alert(1) onpageshow=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video src=x onerror=alert(1)></video><audio src=x onerror=alert(1)></audio>",
    "<style>@keyframes x{}</style><b style='animation:x 1s' onanimationstart=alert(1)>x</b>",
    "<object data='javascript:alert(1)'></object><embed src='javascript:alert(1)'>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text y=9>x</text></a></svg>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<SCRIPT\n>alert(1)</SCRIPT\t>",
    "<script/x>alert(1)</script>",
    "<ifr\x00ame src=javascript:alert(1)>",
    "<plaintext><script>alert(1)</script>",
    "<template><script>alert(1)</script></template>",
    "<div style='width:expression(alert(1));-moz-binding:url(x)'>x</div>",
    "<link rel=import href='data:text/html,<script>alert(1)</script>'>",
    "<xml id=x><script>alert(1)</script></xml>",
    "<select><style></select><img src=x onerror=alert(1)></style>",
    "<!--><script>alert(1)</script>-->",
    "<title></title><script>alert(1)</script>",
]

SWALLOWING = (
    "<plaintext",
    "<!--",
    "<title",
    "<template",
    "<select",
    "<noscript",
    "<math",
    "<style",
    "]]>",
    "<xml",
)


def watched(browser: Any) -> tuple[Any, list[str]]:
    """A page, and what a script that ran would leave behind."""
    page = browser.new_page()
    found: list[str] = []
    page.on("dialog", lambda dialog: (found.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("pageerror", lambda error: found.append(f"error {error}"))
    return page, found


def hostile(text: str) -> CapturedMail:
    """A mail with `text` wherever a sender can put some."""
    message = EmailMessage()
    plain = "".join(character for character in text if character >= " ")
    message["From"] = "a@example.com"
    message["To"] = "b@example.com"
    message.set_content(f"{text}\nhttps://example.com/{text}\nYour code is 123456")
    message.add_alternative(f'<p>x</p><a href="{text.replace(chr(34), "&quot;")}">{text}</a>', subtype="html")
    message.add_attachment(b"x", "text", "html", filename=f"{plain}.html", cid="<x@example.com>")
    encoded = message.as_bytes().replace(b"From: a@example.com\n", b"")
    head = "".join(
        f"{name}: {value}\r\n"
        for name, value in (
            ("From", f'"{plain}" <{plain}@example.com>'),
            ("Subject", plain),
            ("Cc", f'"{plain}" <c@example.com>'),
            ("Reply-To", plain),
            ("Message-ID", f"<{plain}@example.com>"),
            ("Date", plain),
            ("List-Unsubscribe", f"<{plain}>"),
            ("X-Hostile", plain),
            ("Content-Language", plain),
        )
    )
    return CapturedMail(
        plain, ("b@example.com", f"b+{plain}@example.com", plain), head.encode() + encoded, peer=plain, helo=plain,
        user=plain, tls=plain, options=(plain,), recipient_options=((plain,),),
    )  # fmt: skip


def test_no_text_of_a_mail_becomes_markup(browser: Any, server: InboxServer) -> None:
    """Subjects, names, addresses, header values, file names, envelope and text are shown as the text they are."""
    page, found = watched(browser)
    for number in range(0, len(XSS), 3):
        text = " ".join(XSS[number : number + 3])
        server.store.clear()
        mail = hostile(text)
        server.store.add(mail)
        page.goto(server.url)
        page.click(".item a")
        for view in ("html", "text", "source", "headers", "raw", "links", "checks"):
            page.click(f"[data-view={view}]")
            page.wait_for_selector(f".view-{view}")
        assert page.evaluate("window.xss") is None
        shown = " ".join("".join(character for character in text if character >= " ").split())
        assert shown in " ".join(page.locator(".mail-head h1").text_content().split())
        assert page.locator("#message script, #list script, #message img, base").count() == 0
    page.close()
    assert found == []
    assert server.violations == []


def test_no_search_becomes_markup(browser: Any, server: InboxServer) -> None:
    """What is searched for, in the address or in the field, is shown as text."""
    from urllib.parse import quote

    page, found = watched(browser)
    server.store.clear()
    server.store.add(hostile("x"))
    for number in range(0, len(XSS), 3):
        page.goto(f"{server.url}/?q={quote(' '.join(XSS[number : number + 3]))}")
        page.wait_for_selector("#live.on", state="attached")
        assert page.evaluate("window.xss") is None
        assert page.locator("#list script, #list img, base").count() == 0
    page.fill("#search", XSS[1])
    page.wait_for_timeout(300)
    page.close()
    assert found == []
    assert server.violations == []


def test_no_script_of_a_mail_runs(browser: Any, server: InboxServer) -> None:
    """HTML that would run script in any mail program without defences runs none here, on opening or on a click."""
    page, found = watched(browser)
    alone = [body for body in BODIES if any(word in body.lower() for word in SWALLOWING)]
    together = [body for body in BODIES if body not in alone]
    for body in (*("<hr>".join(together[at : at + 8]) for at in range(0, len(together), 8)), *alone):
        server.store.clear()
        content = (
            b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
            + f"<p>start</p>{body}<p id=end>end</p>".encode()
        )
        mail = CapturedMail("a@example.com", ("b@example.com",), content)
        server.store.add(mail)
        page.goto(server.address(mail.id))
        frame = page.frame_locator(".stage iframe")
        frame.locator("body").wait_for(state="attached")
        for link in frame.locator("a").all()[:8]:
            link.evaluate("link => link.dispatchEvent(new MouseEvent('click', {bubbles: true}))")
        assert page.evaluate("window.xss") is None
        assert page.url == server.address(mail.id)
    for extra in page.context.pages[1:]:
        assert "javascript" not in extra.url
        extra.close()
    page.close()
    assert found == []


@pytest.mark.parametrize("name", STRIPPED)
@pytest.mark.parametrize("form", ["<{n} src=x>", "<{N}>", "<{n}/x>", "<{n}\n>", "<!--<{n} >-->", "<p title='<{n} x'>",
                                  "<style><{n}></style>", "<{n}", "<{n} <{n}>", "<<{n}>>", "<scr{n}><{n}>", "</{n}>",
                                  "<title><{n} ></title>", "<svg><style><{n} x></style>", "<{n} a='><{n}>"])  # fmt: skip
def test_what_is_stripped_never_comes_back(name: str, form: str) -> None:
    """However it is written, no element that loads by itself is left, so that none can be put together from the rest."""
    html, _ = inert(form.format(n=name, N=name.upper()))
    again, _ = inert(html)
    assert again == html
    for found in (f"<{name} ", f"<{name}>", f"<{name}/", f"<{name}\n", f"</{name}>"):
        assert found not in html.lower()
