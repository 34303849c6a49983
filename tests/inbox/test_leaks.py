"""Nothing leaves: each way that HTML can load something gets a listener of its own, and none is ever connected to."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from web import until

from modernmail import Mailer, Message
from modernmail.inbox import InboxServer
from modernmail.inbox.backend import captured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail.inbox import CapturedMail

# {u} is the beacon's address, {h} its host and port. Each is one way to make a browser connect by opening a
# mail.
VECTORS = {
    "img src": "<img src='{u}'>",
    "img srcset": "<img srcset='{u} 1x, {u}2 2x'>",
    "picture source": "<picture><source srcset='{u}'><img src='data:,'></picture>",
    "lazy image": "<img loading=eager src='{u}'>",
    "svg image in img": "<img src='data:image/svg+xml,<svg xmlns=%22http://www.w3.org/2000/svg%22>"
                        "<image href=%22{u}%22/></svg>'>",
    "input image": "<input type=image src='{u}'>",
    "body background": "<body background='{u}'>",
    "table background": "<table background='{u}'><tr><td background='{u}td'>x</td></tr></table>",
    "style attribute": "<div style=\"background:url('{u}')\">x</div>",
    "style image-set": "<div style=\"background-image:image-set('{u}' 1x)\">x</div>",
    "style list image": "<ul><li style='list-style-image:url({u})'>x</ul>",
    "style cursor": "<div style='cursor:url({u}),auto'>x</div>",
    "style content": "<style>.c1::before{{content:url({u})}}</style><i class=c1>x</i>",
    "style border image": "<div style='border:9px solid;border-image-source:url({u})'>x</div>",
    "style mask": "<div style='mask-image:url({u});-webkit-mask-image:url({u}w)'>x</div>",
    "style shape": "<div style='float:left;shape-outside:url({u})'>x</div>",
    "style filter": "<div style='filter:url({u}#f)'>x</div>",
    "style clip path": "<div style='clip-path:url({u}#c)'>x</div>",
    "style escaped": "<div style='background:u\\72l({u})'>x</div>",
    "style variable": "<style>:root{{--v:url({u})}} .c2{{background:var(--v)}}</style><i class=c2>x</i>",
    "style import": "<style>@import url({u});</style>",
    "style import string": "<style>@import '{u}';</style>",
    "style font face": "<style>@font-face{{font-family:f1;src:url({u})}} .c3{{font-family:f1}}</style><i class=c3>x</i>",
    "style media": "<style>@media all{{.c4{{background:url({u})}}}}</style><i class=c4>x</i>",
    "style namespace": "<style>@namespace x url({u}); .c5{{background:url({u}b)}}</style><i class=c5>x</i>",
    "link stylesheet": "<link rel=stylesheet href='{u}'>",
    "link icon": "<link rel=icon href='{u}'>",
    "link prefetch": "<link rel=prefetch href='{u}'>",
    "link preload": "<link rel=preload as=image href='{u}'>",
    "link modulepreload": "<link rel=modulepreload href='{u}'>",
    "link preconnect": "<link rel=preconnect href='{u}'>",
    "link dns-prefetch": "<link rel=dns-prefetch href='{u}'>",
    "link prerender": "<link rel=prerender href='{u}'>",
    "link manifest": "<link rel=manifest href='{u}'>",
    "iframe src": "<iframe src='{u}'></iframe>",
    "iframe srcdoc": "<iframe srcdoc=\"<img src='{u}'>\"></iframe>",
    "object data": "<object data='{u}' type='text/html'></object>",
    "object image": "<object data='{u}' type='image/png'></object>",
    "embed src": "<embed src='{u}' type='text/html'>",
    "video src": "<video autoplay preload=auto src='{u}'></video>",
    "video poster": "<video poster='{u}'></video>",
    "video source": "<video autoplay><source src='{u}'></video>",
    "video track": "<video><track default kind=subtitles src='{u}'></video>",
    "audio src": "<audio autoplay preload=auto src='{u}'></audio>",
    "svg image": "<svg><image href='{u}' width=9 height=9 /></svg>",
    "svg image xlink": "<svg><image xlink:href='{u}' width=9 height=9 /></svg>",
    "svg use": "<svg><use href='{u}#x' /></svg>",
    "svg feImage": "<svg><filter id=f2><feImage href='{u}' /></filter><rect width=9 height=9 filter='url(#f2)' /></svg>",
    "svg script": "<svg><script href='{u}'></script></svg>",
    "script src": "<script src='{u}'></script>",
    "script inline": "<script>new Image().src='{u}';fetch('{u}f')</script>",
    "handler": "<img src='data:,' onerror=\"new Image().src='{u}'\">",
    "meta refresh": "<meta http-equiv=refresh content='0;url={u}'>",
    "base and image": "<base href='{u}/'><img src='relative.png'>",
    "form by itself": "<form action='{u}' id=fo><input name=x autofocus onfocus='this.form.submit()'></form>",
    "anchor ping": "<a ping='{u}' href='#here' autofocus>x</a>",
    "frameset": "<frameset><frame src='{u}'></frameset>",
    "portal": "<portal src='{u}'></portal>",
    "fencedframe": "<fencedframe src='{u}'></fencedframe>",
    "speculation rules": "<script type=speculationrules>{{\"prefetch\":[{{\"urls\":[\"{u}\"]}}]}}</script>",
    "noscript image": "<noscript><img src='{u}'></noscript>",
    "template and comment": "<!--[if mso]><img src='{u}c'><![endif]--><template><img src='{u}'></template>",
    "math": "<math><mi style='background:url({u})'>x</mi></math>",
    "marquee": "<marquee style='background-image:url({u})'>x</marquee>",
    "websocket": "<script>new WebSocket('ws://{h}/')</script>",
    "style cross-fade": "<div style='background:-webkit-cross-fade(url({u}),url({u}2),50%)'>x</div>",
    "style supports": "<style>@supports(display:grid){{.c6{{background:url({u})}}}}</style><i class=c6>x</i>",
    "style import layer": "<style>@import url({u}) layer(x) supports(display:grid);</style>",
    "style keyframes": "<style>@keyframes k1{{from{{background:url({u})}}}}</style><b style='animation:k1 9s infinite'>x</b>",
    "style marker": "<style>.c7 li::marker{{content:url({u})}}</style><ul class=c7><li>x</ul>",
    "style property": "<style>@property --p{{syntax:'<url>';inherits:false;initial-value:url({u})}}"
                      ".c8{{background:var(--p)}}</style><i class=c8>x</i>",
    "style starting": "<style>@starting-style{{.c9{{background:url({u})}}}}</style><i class=c9>x</i>",
    "style nested": "<style>.d1{{&{{background:url({u})}}}}</style><i class=d1>x</i>",
    "style reflection": "<div style='-webkit-box-reflect:below 0 url({u})'>x</div>",
    "style mask border": "<div style='mask-border-source:url({u});-webkit-mask-box-image:url({u}w)'>x</div>",
    "svg style": "<svg><style><![CDATA[.d2{{fill:red;background:url({u})}}]]></style></svg><i class=d2>x</i>",
    "svg set": "<svg width=9 height=9><image width=9 height=9><set attributeName=href to='{u}'></image></svg>",
    "svg foreign object": "<svg width=9 height=9><foreignObject width=9 height=9><img src='{u}'></foreignObject></svg>",
    "svg feImage xlink": "<svg><filter id=f3><feImage xlink:href='{u}' /></filter>"
                         "<rect width=9 height=9 filter='url(#f3)' /></svg>",
    "svg fill": "<svg><rect fill='url({u}#x)' width=9 height=9 /></svg>",
    "svg marker": "<svg><path style='marker-start:url({u}#m)' d='M0 0L9 9'/></svg>",
    "shadow root": "<div><template shadowrootmode=open><img src='{u}'></template></div>",
    "image by another name": "<image src='{u}'>",
    "column background": "<table><col background='{u}'><tr><td>x</table>",
    "no scheme": "<img src='//{h}/x'>",
    "backslashes": "<img src='\\\\{h}\\x'>",
    "popover": "<button popovertarget=pp>x</button><div popover id=pp><img src='{u}'></div>",
    "iframe in math": "<math><mtext><iframe src='{u}'></iframe></mtext></math>",
    "iframe in a table": "<table><iframe src='{u}'></iframe></table>",
    "iframe past a comment": "<!-- --!><iframe src='{u}'></iframe>-->",
    "iframe past an empty comment": "<!--><iframe src='{u}'></iframe>",
    "iframe past an instruction": "<?><iframe src='{u}'></iframe>",
}  # fmt: skip
SILENT = {"template and comment"}  # browsers take nothing from here, and a mail may say it
ALONE = {"meta refresh", "base and image", "frameset", "body background"}  # these change the whole document


class Beacons:
    """A listener for each vector; `connected` are the ones that somebody connected to, `asked` got a request."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._open: list[socket.socket] = []
        self.connected: set[str] = set()
        self.asked: set[str] = set()
        self.ports: dict[str, int] = {}
        for name in VECTORS:
            listener = socket.create_server(("127.0.0.1", 0))
            listener.setblocking(False)
            self.ports[name] = listener.getsockname()[1]
            self._selector.register(listener, selectors.EVENT_READ, name)
            self._open.append(listener)
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def address(self, name: str) -> str:
        """The address of a beacon."""
        return f"http://127.0.0.1:{self.ports[name]}/x"

    def html(self, name: str) -> str:
        """The vector, aimed at its beacon."""
        return VECTORS[name].format(u=self.address(name), h=f"127.0.0.1:{self.ports[name]}")

    def close(self) -> None:
        """Stop listening."""
        self._wake.close()
        self._thread.join()
        for each in (*self._open, self._woken):
            each.close()
        self._selector.close()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                if key.fileobj in self._open and "\0" not in key.data:
                    with contextlib.suppress(OSError):
                        connection, _ = key.fileobj.accept()  # type: ignore[union-attr]
                        self.connected.add(key.data)
                        connection.setblocking(False)
                        self._open.append(connection)
                        self._selector.register(connection, selectors.EVENT_READ, key.data + "\0")
                    continue
                with contextlib.suppress(OSError):
                    if key.fileobj.recv(4096):  # type: ignore[union-attr]
                        self.asked.add(key.data.rstrip("\0"))
                self._selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]


@pytest.fixture
def beacons() -> Iterator[Beacons]:
    """Beacons, lit."""
    lit = Beacons()
    yield lit
    lit.close()


def documents(beacons: Beacons) -> list[list[str]]:
    """The vectors in few mails: those that can stand together do."""
    together = [name for name in VECTORS if name not in ALONE]
    some = [
        together[start : start + 22] for start in range(0, len(together), 22)
    ]  # reports past 64 kB are dropped
    return [*some, *([name] for name in VECTORS if name in ALONE)]


def end(html: str) -> str:
    """The document, with an image at its end that shows that everything before was seen."""
    return f"{html}<img src='data:image/png;base64,x' id=end>"


def shown(html: str) -> Any:
    """What answers a request with `html`."""

    def answer(route: Any) -> None:
        route.fulfill(body=html, content_type="text/html")

    return answer


def test_the_beacons_can_see(browser: Any, beacons: Beacons) -> None:
    """Shown as a plain page, the same vectors connect in great number: the listeners work."""
    context = browser.new_context()
    for names in documents(beacons):
        page = context.new_page()
        page.route("http://plain.example/", shown("".join(beacons.html(name) for name in names)))
        page.goto("http://plain.example/", wait_until="commit")
        page.wait_for_timeout(400)
    context.close()
    assert len(beacons.connected) >= 50, sorted(set(VECTORS) - beacons.connected)


def stored(beacons: Beacons, server: InboxServer) -> Iterator[tuple[list[str], CapturedMail]]:
    """Put a mail for each document into the inbox; yield the names in it and the mail."""
    mailer = Mailer("null:", from_email="a@example.com")
    for names in documents(beacons):
        html = end("".join(beacons.html(name) for name in names))
        mail = captured(mailer.parcel(Message("x", "y", html, to=["b@example.com"])))
        server.store.add(mail)
        yield names, mail


def test_nothing_leaves(browser: Any, beacons: Beacons) -> None:
    """Opening mails with all of them makes no connection and no request, and the page lists what was blocked."""
    assert len(VECTORS) >= 46
    with InboxServer.threaded() as server:
        page = browser.new_page()
        for names, mail in stored(beacons, server):
            page.goto(server.address(mail.id))
            page.frame_locator(".stage iframe").locator("#end").wait_for(state="attached")
            page.wait_for_timeout(400)  # long enough for a refresh, a prefetch, a late style sheet
            text = "document.getElementById('blocked').textContent"
            ports = [f":{beacons.ports[name]}/" for name in names if name not in SILENT]
            until(page, f"{json.dumps(ports)}.every((port) => {text}.includes(port))")
        page.close()
        assert beacons.connected == set()
        assert beacons.asked == set()
        assert server.violations == []


def test_nothing_leaves_without_the_page(browser: Any, beacons: Beacons) -> None:
    """The preview opened by itself, outside of the page's frame, is as quiet."""
    with InboxServer.threaded() as server:
        page = browser.new_page()
        for _, mail in stored(beacons, server):
            page.goto(f"{server.address(mail.id)}/html")
            page.locator("#end").wait_for(state="attached")
            page.wait_for_timeout(400)
        page.close()
        assert beacons.connected == set()
