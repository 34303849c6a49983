"""One-click unsubscribing: the header fields of RFC 2369 and RFC 8058, and the signed links behind them."""

from __future__ import annotations

import asyncio
import json
import pickle
import string
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modernmail import Address, Envelope, Mailer, Message
from modernmail.backends.memory import MemoryBackend
from modernmail.errors import ConfigurationError, InvalidLink, InvalidMessage
from modernmail.unsubscribe import UnsubscribeLinks, Unsubscription

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "a secret of this deployment"
PAGE = "https://shop.example/leave"
FORM = {"List-Unsubscribe": "One-Click"}


def message(*to: str, **more: object) -> Message:
    """Return a message to some people."""
    arguments: dict[str, object] = {"from_email": "me@example.com", "to": list(to) or ["zoe@example.com"]}
    return Message("News", "Text", **(arguments | more))  # type: ignore[arg-type]


def fields(octets: bytes) -> dict[str, str]:
    """Return the header fields of a mail, unfolded, names in small letters."""
    head = octets.partition(b"\r\n\r\n")[0].decode("ascii").replace("\r\n ", " ")
    return {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))
    }


def link_of(octets: bytes) -> str:
    """Return the https link of a mail."""
    return fields(octets)["list-unsubscribe"].partition(">")[0].lstrip("<")


# -- the header fields --------------------------------------------------------------------------------------------


def test_the_two_fields() -> None:
    """The link stands in List-Unsubscribe, the address to write to behind it, and the Post field has its one value."""
    mail = fields(message().unsubscribe(f"{PAGE}?t=1,2", "leave+x@example.com").as_bytes())
    assert mail["list-unsubscribe"] == f"<{PAGE}?t=1,2>, <mailto:leave+x@example.com>"
    assert mail["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert "mailto" not in fields(message().unsubscribe(PAGE).as_bytes())["list-unsubscribe"]
    written = message().unsubscribe(PAGE, "mailto:leave@example.com?subject=leave")
    assert fields(written.as_bytes())["list-unsubscribe"].endswith("<mailto:leave@example.com?subject=leave>")


def test_both_forms_of_a_message_have_them() -> None:
    """The standard library's form has the same fields, and so has a message that somebody else wrote."""
    ours = message().unsubscribe(PAGE)
    assert ours.as_email_message()["List-Unsubscribe"] == f"<{PAGE}>"
    theirs = Message.from_bytes(message(headers={"List-Unsubscribe": "<mailto:old@example.com>"}).as_bytes())
    mail = theirs.unsubscribe(PAGE).as_bytes()
    assert fields(mail)["list-unsubscribe"] == f"<{PAGE}>"
    assert mail.count(b"List-Unsubscribe:") == 1


def test_it_takes_the_place_of_fields_that_were_set() -> None:
    """Whatever was set by hand before is replaced; set by hand afterwards, the message says what is wrong."""
    letter = message(headers={"List-Unsubscribe": "<mailto:old@example.com>", "X-A": "1"}).unsubscribe(PAGE)
    assert list(letter.headers) == [("X-A", "1")]
    letter.header("list-unsubscribe", "<mailto:new@example.com>")
    with pytest.raises(InvalidMessage, match=r"unsubscribe\(\) writes this field"):
        letter.as_bytes()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://shop.example/leave", "https"),
        ("HTTP://shop.example/leave", "https"),
        ("mailto:leave@example.com", "https"),
        ("shop.example/leave", "URI|https"),
        ("https:///leave", "https"),
        ("https://[::1", "https"),
        ("https://shop.example:port/", "https"),
        ("https://shop.example/leave#top", "fragment"),
        ("https://shop.example/ leave", "URI"),
        ("https://shop.example/\r\nBcc: evil@example.net", "URI"),
        ("https://shop.example/>,<mailto:evil@example.net", "bracket"),
        ("https://shop.example/straße", "ASCII"),
        ("https://shop.example/{", "brace"),
        ("https://shop.example/" + "x" * 1000, "970|line"),
        ("", "URI|https"),
        (None, "https link"),
        (5, "https link"),
    ],
)
def test_what_is_no_https_link_is_refused(url: str, why: str) -> None:
    """The error names the argument, and the message is as it was."""
    letter = message()
    with pytest.raises(InvalidMessage, match=why) as caught:
        letter.unsubscribe(url)
    assert caught.value.argument == "url"
    assert b"unsubscribe" not in letter.as_bytes().lower()
    with pytest.raises(InvalidMessage, match=why):
        letter.unsubscribe(lambda _address: url).as_bytes()


@pytest.mark.parametrize(
    "mailto", ["", "nobody", "a@b, c@d", "mailto:", "mailto:a b@c", "mailto:a@c>", "zoë@example.com", 5]
)
def test_what_is_no_address_to_write_to_is_refused(mailto: str) -> None:
    """The error names the argument."""
    with pytest.raises(InvalidMessage) as caught:
        message().unsubscribe(PAGE, mailto)
    assert caught.value.argument == "mailto"


# -- one recipient ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more", [{"cc": "ann@example.com"}, {"bcc": "ann@example.com"}, {"to": ["a@b.example", "c@b.example"]}]
)
@pytest.mark.parametrize("is_async", [False, True])
def test_several_recipients_are_refused(more: dict[str, object], is_async: bool) -> None:
    """Whoever has the link leaves for all: nothing is sent, and rendering is refused as well."""
    backend = MemoryBackend()
    mailer = Mailer(backend)
    letter = message(**more).unsubscribe(PAGE)
    with pytest.raises(InvalidMessage, match="personal copies"):
        asyncio.run(mailer.asend(letter)) if is_async else mailer.send(letter)
    for render in (letter.as_bytes, letter.parcel, letter.as_email_message):
        with pytest.raises(InvalidMessage, match="personal copies"):
            render()
    (receipt,) = mailer.send_many([letter])
    assert isinstance(receipt.error, InvalidMessage)
    assert not backend.outbox


def test_the_envelope_decides() -> None:
    """One that names a single recipient makes any header personal; one that names two is refused."""
    backend = MemoryBackend()
    mailer = Mailer(backend)
    letter = message("friends@lists.example.com", "all@lists.example.com").unsubscribe(
        f"{PAGE}?a={{recipient}}"
    )
    mailer.send(letter, envelope=Envelope("me@example.com", ["zoe@example.com"]))
    assert link_of(bytes(backend.outbox[0].content)) == f"{PAGE}?a=zoe%40example.com"
    with pytest.raises(InvalidMessage, match="personal copies"):
        mailer.send(letter, envelope=Envelope("me@example.com", ["zoe@example.com", "ann@example.com"]))


def test_the_same_address_twice_is_one_recipient() -> None:
    """Named in To and in Cc, it is still one who leaves."""
    assert link_of(message("zoe@example.com", cc="zoe@example.com").unsubscribe(PAGE).as_bytes()) == PAGE


def test_a_personal_link_needs_its_recipient() -> None:
    """Without anybody in To there is no link, unless it is the same for all."""
    nobody = Message("Hi", "Text", from_email="me@example.com")
    assert link_of(nobody.copy().unsubscribe(PAGE).as_bytes()) == PAGE
    for url in (f"{PAGE}?a={{recipient}}", UnsubscribeLinks(PAGE, KEY)):
        with pytest.raises(InvalidMessage):
            nobody.copy().unsubscribe(url).as_bytes()


# -- links that are filled in -------------------------------------------------------------------------------------


def test_a_merge_fills_the_link() -> None:
    """Each copy has its own: columns are percent-encoded, and `{recipient}` is the address."""
    letter = Message("News", "Hi {name}", from_email="me@example.com").unsubscribe(
        f"{PAGE}/{{number}}?a={{recipient}}", "leave@example.com"
    )
    rows = [
        {"to": "Zoë <zoe@bücher.example>", "name": "Zoë", "number": 1},
        {"to": "a+b@example.com", "name": "B", "number": "2/x?y&z"},
    ]
    links = [link_of(copy.as_bytes()) for copy in letter.merge(rows)]
    assert links == [
        f"{PAGE}/1?a=zoe%40xn--bcher-kva.example",
        f"{PAGE}/2%2Fx%3Fy%26z?a=a%2Bb%40example.com",
    ]


def test_a_merge_with_signed_links() -> None:
    """A function is called for each copy, and a row to two people is an error of its own; the rest goes on."""
    links = UnsubscribeLinks(PAGE, KEY)
    backend = MemoryBackend()
    letter = Message("News", "Text", from_email="me@example.com").unsubscribe(links)
    rows = [
        {"to": "ann@example.com"},
        {"to": ["bob@example.com", "eve@example.com"]},
        {"to": "zoe@example.com"},
    ]
    receipts = list(Mailer(backend).send_many(letter.merge(rows)))
    assert [receipt.is_complete for receipt in receipts] == [True, False, True]
    sent = [
        (parcel.envelope.recipients, links.read(token_in(link_of(bytes(parcel.content)))))
        for parcel in backend.outbox
    ]
    assert sent == [
        (("ann@example.com",), Unsubscription("ann@example.com")),
        (("zoe@example.com",), Unsubscription("zoe@example.com")),
    ]


def test_what_was_not_filled_in_is_not_sent() -> None:
    """A name in braces that no column filled is refused, not sent as it stands."""
    with pytest.raises(InvalidMessage, match=r"nothing was put in the place of \{tokn\}"):
        message().unsubscribe(f"{PAGE}?t={{tokn}}").as_bytes()


# -- a message that is copied, stored, compared -------------------------------------------------------------------


def test_it_is_part_of_the_message() -> None:
    """A copy has it, pickling and JSON keep it, and messages that differ in it are not equal."""
    letter = message().unsubscribe(f"{PAGE}?a={{recipient}}", "leave@example.com")
    assert letter.copy() == letter != message()
    assert pickle.loads(pickle.dumps(letter)) == letter
    assert Message.from_dict(json.loads(json.dumps(letter.to_dict()))) == letter
    with pytest.raises(InvalidMessage):
        Message.from_dict({**letter.to_dict(), "unsubscribe": {"url": "http://shop.example"}})
    with pytest.raises(InvalidMessage):
        Message.from_dict({**letter.to_dict(), "unsubscribe": PAGE})


def test_signed_links_in_json() -> None:
    """JSON has the link of the one recipient; keys go nowhere, not even into a pickle."""
    links = UnsubscribeLinks(PAGE, KEY)
    letter = message().unsubscribe(links)
    stored = Message.from_dict(json.loads(json.dumps(letter.to_dict())))
    assert links.read(token_in(link_of(stored.as_bytes()))) == Unsubscription("zoe@example.com")
    with pytest.raises(InvalidMessage, match="personal copies"):
        message("a@example.com", "b@example.com").unsubscribe(links).to_dict()
    with pytest.raises(TypeError, match="holds keys"):
        pickle.dumps(letter)


# -- signed links -------------------------------------------------------------------------------------------------


def token_in(link: str) -> str:
    """Return the token of a link, as a web framework would read it."""
    return parse_qs(urlsplit(link).query, strict_parsing=True)["token"][0]


lists = st.text(st.characters(categories=("L", "N", "P", "Zs")), max_size=20).filter(str.isprintable)
people = st.builds(
    lambda local: f"{local}@example.com",
    st.text(string.ascii_letters + string.digits, min_size=1, max_size=60),
)


@given(address=people, list_name=lists)
def test_a_token_comes_back(address: str, list_name: str) -> None:
    """What was signed is read, from links that URLs and headers can carry."""
    links = UnsubscribeLinks(PAGE, KEY, list_name=list_name)
    link = links(address)
    assert links.read(token_in(link)) == Unsubscription(address, list_name)
    assert link_of(message(address).unsubscribe(links).as_bytes()) == link


@given(st.data())
def test_a_changed_token_is_refused(data: st.DataObject) -> None:
    """Whatever is changed in it, nobody is unsubscribed."""
    links = UnsubscribeLinks(PAGE, KEY, list_name="news")
    token = links.token_for("zoe@example.com")
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(
        st.sampled_from(sorted(set(string.ascii_letters + string.digits + "-_.=") - {token[at]}))
    )
    for wrong in (
        token[:at] + other + token[at + 1 :],
        token[:at],
        token + other,
        token[:at] + token[at + 1 :],
    ):
        with pytest.raises(InvalidLink):
            links.read(wrong)


@pytest.mark.parametrize("token", ["", ".", "a.b", "x" * 5000, "ÿ.ÿ", "\0", None, 5, b"abc"])
def test_rubbish_is_refused(token: str) -> None:
    """Rubbish has the same named error, which shows no token."""
    with pytest.raises(InvalidLink) as caught:
        UnsubscribeLinks(PAGE, KEY).read(token)
    assert not token or str(token)[:3] not in str(caught.value) or len(str(token)) < 2


def test_keys_are_rotated() -> None:
    """A new key in front signs; links of the old one still come back, until it is taken away."""
    old, new = UnsubscribeLinks(PAGE, "the old secret, 16+"), UnsubscribeLinks(PAGE, "the new secret, 16+")
    both = UnsubscribeLinks(PAGE, ["the new secret, 16+", "the old secret, 16+"])
    before = old.token_for("zoe@example.com")
    assert both.read(before) == Unsubscription("zoe@example.com")
    assert new.read(both.token_for("zoe@example.com"))
    with pytest.raises(InvalidLink, match="not signed"):
        new.read(before)


def test_a_signature_is_for_this_purpose_alone() -> None:
    """What the same key signed for another purpose is no token."""
    import hmac
    from binascii import b2a_base64

    payload = b"\n\nzoe@example.com"
    signature = hmac.digest(KEY.encode(), payload, "sha256")[:20]
    forged = ".".join(
        b2a_base64(part, newline=False).decode().rstrip("=").replace("+", "-").replace("/", "_")
        for part in (payload, signature)
    )
    with pytest.raises(InvalidLink, match="not signed"):
        UnsubscribeLinks(PAGE, KEY).read(forged)


def test_links_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a lifetime they work until it is over, and without one for ever."""
    now = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    short, ever = UnsubscribeLinks(PAGE, KEY, lifetime=timedelta(days=30)), UnsubscribeLinks(PAGE, KEY)
    tokens = short.token_for("zoe@example.com"), ever.token_for("zoe@example.com")
    now[0] += 30 * 86400
    assert short.read(tokens[0]) == short.read(tokens[1]) == Unsubscription("zoe@example.com")
    now[0] += 1
    with pytest.raises(InvalidLink, match="expired"):
        ever.read(tokens[0])
    now[0] += 1e9
    assert short.read(tokens[1])


def test_where_the_token_stands() -> None:
    """Where the page says `{token}`, else in the query, beside what is there."""
    assert UnsubscribeLinks(f"{PAGE}/{{token}}/now", KEY)("zoe@example.com").startswith(f"{PAGE}/")
    assert UnsubscribeLinks(f"{PAGE}?lang=de", KEY)("zoe@example.com").startswith(f"{PAGE}?lang=de&token=")
    news = UnsubscribeLinks(PAGE, KEY).for_list("news")
    assert UnsubscribeLinks(PAGE, KEY).read(
        news.token_for(Address("Zoë <zoe@BÜCHER.example>"))
    ) == Unsubscription("zoe@xn--bcher-kva.example", "news")


# -- what comes back ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "get", "HEAD", "OPTIONS", "PUT", "DELETE", ""])
def test_opening_the_link_unsubscribes_nobody(method: str) -> None:
    """Scanners and previews open links: only a POST asks for anything, whatever the token."""
    links = UnsubscribeLinks(PAGE, KEY)
    assert links.accept(method, FORM, links.token_for("zoe@example.com")) is None
    assert links.accept(method, FORM, "rubbish") is None


@pytest.mark.parametrize("form", [FORM, {"List-Unsubscribe": ["One-Click"]}, {**FORM, "csrf": "x"}])
@pytest.mark.parametrize("method", ["POST", "post"])
def test_a_post_that_says_so_does(method: str, form: dict[str, object]) -> None:
    """Whether a framework gives fields as text or as lists."""
    links = UnsubscribeLinks(PAGE, KEY, list_name="news")
    token = links.token_for("zoe@example.com")
    assert links.accept(method, form, token) == Unsubscription("zoe@example.com", "news")
    with pytest.raises(InvalidLink):
        links.accept(method, form, token[:-2])


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"List-Unsubscribe": "yes"},
        {"list-unsubscribe": "One-Click"},
        {"List-Unsubscribe": ["One-Click"] * 2},
    ],
)
def test_a_post_that_does_not_say_so_does_not(form: dict[str, object]) -> None:
    """RFC 8058 3.2: the body says List-Unsubscribe=One-Click, once."""
    links = UnsubscribeLinks(PAGE, KEY)
    assert links.accept("POST", form, links.token_for("zoe@example.com")) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: UnsubscribeLinks("http://shop.example", KEY),
        lambda: UnsubscribeLinks(PAGE, []),
        lambda: UnsubscribeLinks(PAGE, ""),
        lambda: UnsubscribeLinks(PAGE, "too short"),
        lambda: UnsubscribeLinks(PAGE, [KEY, b"short"]),
        lambda: UnsubscribeLinks(PAGE, 5),  # type: ignore[arg-type]
        lambda: UnsubscribeLinks(PAGE, KEY, lifetime=0),
        lambda: UnsubscribeLinks(PAGE, KEY, lifetime="soon"),  # type: ignore[arg-type]
        lambda: UnsubscribeLinks(PAGE, KEY, list_name="a\nb"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], object]) -> None:
    """The error says which, and shows no key."""
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert str(caught.value).startswith(("url", "keys", "lifetime", "list_name"))
    assert "short" not in str(caught.value)


def test_keys_are_not_shown() -> None:
    """Neither `repr` nor the repr of the message has a key in it."""
    links = UnsubscribeLinks(PAGE, KEY)
    letter = message().unsubscribe(links)
    assert KEY not in repr(links) + repr(letter) + repr(letter._unsubscribe)
