"""DKIM: two other implementations verify what is signed; what should break a signature does; keys are checked."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import dkim as dkimpy
import pytest
from dkim.canonicalization import Relaxed
from hypothesis import given
from hypothesis import strategies as st
from services.opendkim import verdicts

from modernmail import Mailer, Message
from modernmail.cli.__main__ import main
from modernmail.errors import ConfigurationError, Withheld
from modernmail.layers import DKIM, Defaults, Redirect, Retry
from modernmail.layers.dkim.canonical import RelaxedBody, relaxed_body, relaxed_field
from modernmail.layers.dkim.keys import SigningKey, new_key
from modernmail.layers.dkim.signature import SignatureField
from modernmail.testing import Rule, ScriptedSMTPServer
from modernmail.testing.contract import LAYER_RULES
from modernmail.testing.contract.samples import StreamedMail

from .varied import letters

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.postfix import Postfix

    from modernmail.layers import Layer

RSA = new_key()
ED25519 = new_key("ed25519")
RECORDS = {
    "rsa._domainkey.example.com": SigningKey(RSA).record,
    "ed._domainkey.example.com": SigningKey(ED25519).record,
}


def both(**options: object) -> DKIM:
    """Return a layer that signs by RSA and by Ed25519."""
    return DKIM("example.com", "rsa", RSA, **options).also("example.com", "ed", ED25519)  # type: ignore[arg-type]


def signed(message: Message, layer: DKIM | None = None) -> bytes:
    """Return a message as it travels, signed."""
    mailer = Mailer("memory:", layers=[layer or both()])
    mailer.send(message)
    return bytes(mailer.backend.outbox[0].content)  # type: ignore[attr-defined]


def verifies(mail: bytes, *, signatures: int = 2) -> list[bool]:
    """Return what dkimpy says of each signature."""

    def dns(name: bytes, timeout: int = 5) -> bytes:
        return RECORDS[name.decode().rstrip(".")].encode()

    found = []
    for number in range(signatures):
        try:
            found.append(bool(dkimpy.DKIM(mail).verify(idx=number, dnsfunc=dns)))
        except dkimpy.ValidationError:
            found.append(False)
    return found


def message(**more: object) -> Message:
    """Return a small mail."""
    return Message("Hi", "Text.\n", from_email="me@example.com", to="zoe@example.com", **more)  # type: ignore[arg-type]


# -- the canonical form

_bodies = st.lists(
    st.sampled_from(
        [b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b"a", b"word", b".", b" \t \r\n", b"\xc3\xa9"]
    ),
    max_size=30,
).map(b"".join)


@given(_bodies)
def test_bodies_are_canonical_as_another_sees_it(body: bytes) -> None:
    """The canonical body is that of dkimpy, for whatever white space; every mail ends with a line end."""
    body += b"\r\n"
    assert relaxed_body(body) == Relaxed.canonicalize_body(body)


@given(_bodies, st.lists(st.integers(0, 40), max_size=10))
def test_a_body_in_pieces_is_the_same(body: bytes, cuts: list[int]) -> None:
    """However a body is cut into pieces, its canonical form is that of the whole."""
    out: list[bytes] = []

    class Parts:
        def update(self, data: bytes) -> None:
            out.append(data)

    stream = RelaxedBody(Parts())
    at = 0
    for cut in sorted(cuts):
        stream.feed(body[at:cut])
        at = max(at, cut)
    stream.feed(body[at:])
    stream.end()
    assert b"".join(out) == relaxed_body(body)


@given(
    st.from_regex(rb"[A-Za-z-]{1,12}", fullmatch=True),
    st.lists(
        st.sampled_from([b" ", b"\t", b"\r\n ", b"\r\n\t", b"a", b"Word", b":", b"\xc3\xa9"]), max_size=20
    ).map(b"".join),
)
def test_fields_are_canonical_as_another_sees_it(name: bytes, value: bytes) -> None:
    """The canonical field is that of dkimpy, folds and blanks anywhere."""
    (expected,) = Relaxed.canonicalize_headers([(name, value + b"\r\n")])
    assert relaxed_field(name + b":" + value + b"\r\n") + b"\r\n" == expected[0] + b":" + expected[1]


def test_an_endless_run_of_blank_lines_costs_no_memory() -> None:
    """Lines that may be the last ones are counted, not kept."""
    digest = hashlib.sha256()
    body = RelaxedBody(digest)
    body.feed(b"x")
    for _ in range(1000):
        body.feed(b" \t\r\n" * 1000)
    body.end()
    assert digest.digest() == hashlib.sha256(b"x\r\n").digest()


@given(
    st.lists(st.from_regex(r"[a-z-]{1,40}", fullmatch=True), min_size=1, max_size=30), st.binary(max_size=512)
)
def test_the_field_is_folded_legally(names: list[str], signature: bytes) -> None:
    """No line over 78, no empty one, and unfolded it says what was meant."""
    field = SignatureField([("v", "1"), ("d", "example.com")], names, "aGFzaA==")
    text = field.signed(base64.b64encode(signature).decode()).decode()
    lines = text.removesuffix("\r\n").split("\r\n")
    assert all(len(line.strip()) > 0 and len(line) <= 78 for line in lines)
    assert all(line.startswith(" ") for line in lines[1:])
    tags = dict(tag.strip().split("=", 1) for tag in "".join(lines).partition(":")[2].split(";"))
    assert tags["h"].replace(" ", "").split(":") == names
    assert tags["b"].replace(" ", "") == base64.b64encode(signature).decode()


# -- signatures


@pytest.mark.parametrize("rule", LAYER_RULES, ids=lambda rule: rule.__name__.strip("_"))
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_contract(rule: Callable[[Callable[[], Layer], str], None], mode: str) -> None:
    """It keeps the contract of a layer."""
    layer = both()
    rule(lambda: layer, mode)


def test_two_verifiers_agree() -> None:
    """Varied mails, signed by RSA and Ed25519: dkimpy and OpenDKIM verify each signature of each."""
    mails = [signed(letter) for letter in letters(40)]
    assert [verifies(mail) for mail in mails] == [[True, True]] * len(mails)
    assert verdicts(mails, RECORDS) == [[("rsa-sha256", "pass"), ("ed25519-sha256", "pass")]] * len(mails)


def test_a_changed_mail_does_not_verify() -> None:
    """Body, a signed field, a second field where one may stand: each change breaks both; other fields may be added."""
    mail = signed(message(headers={"List-Unsubscribe": "<https://example.com/u>", "X-Other": "1"}))
    assert verifies(mail) == [True, True]
    for before, after in (
        (b"Text.", b"Text!"),
        (b"Subject: Hi", b"Subject: Ho"),
        (b"<https://example.com/u>", b"<https://evil.example/u>"),
        (b"Date: ", b"Date: Mon, "),
        (b"Message-ID: <", b"Message-ID: <x"),
        (b"MIME-Version: 1.0\r\n", b""),
    ):
        assert before in mail
        assert verifies(mail.replace(before, after, 1)) == [False, False]
    head, blank, body = mail.partition(b"\r\n\r\n")
    for added in (
        b"Subject: Another",
        b"From: evil@example.net",
        b"Cc: x@example.net",
        b"Reply-To: x@example.net",
        # what a mail program shows of the same octets by another type, at another time, with another way to leave
        b"Content-Type: text/html",
        b"Content-Transfer-Encoding: base64",
        b"MIME-Version: 1.0",
        b"Date: Mon, 30 Nov 2037 00:00:00 +0000",
        b"Message-ID: <another@example.net>",
        b"List-Unsubscribe: <https://evil.example/u>",
    ):
        assert verifies(head + b"\r\n" + added + blank + body) == [False, False]
        assert verifies(added + b"\r\n" + mail) == [False, False]
    assert verifies(b"X-Other: 2\r\nReceived: from x\r\n" + mail.replace(b"X-Other: 1", b"X-Other: 3")) == [
        True,
        True,
    ]
    assert verifies(mail.replace(b"Text.\r\n", b"Text. \t\r\n\r\n\r\n")) == [True, True]


def test_one_click_unsubscribing_is_signed() -> None:
    """RFC 8058 4: the signature covers both fields; changed, or with one taken away, it does not verify."""
    letter = message().unsubscribe("https://example.com/u?t=1", "leave@example.com")
    for layer in (both(), both(headers="amazon-ses")):
        mail = signed(letter, layer)
        names = (
            mail.partition(b"h=")[2].partition(b";")[0].replace(b"\r\n", b"").replace(b" ", b"").split(b":")
        )
        assert {b"list-unsubscribe", b"list-unsubscribe-post"} <= {name.strip().lower() for name in names}
        assert verifies(mail) == [True, True]
        assert verdicts([mail], RECORDS) == [[("rsa-sha256", "pass"), ("ed25519-sha256", "pass")]]
        for before, after in (
            (b"<https://example.com/u?t=1>", b"<https://evil.example/u?t=1>"),
            (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", b""),
            (b"List-Unsubscribe-Post: List", b"X-List-Unsubscribe-Post: List"),
        ):
            assert before in mail
            assert verifies(mail.replace(before, after)) == [False, False]


def test_the_preset_for_amazon_ses() -> None:
    """A relay may write Date and Message-ID anew; List-Unsubscribe-Post is still signed."""
    headers = {
        "List-Unsubscribe": "<https://example.com/u>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    mail = signed(message(headers=headers), both(headers="amazon-ses"))
    rewritten = mail.replace(b"\r\nDate: ", b"\r\nDate: Sun, 1 Jan 2023 00:00:00 +0000 was ")
    rewritten = rewritten.replace(b"Message-ID: <", b"Message-ID: <x")
    assert verifies(rewritten) == [True, True]
    assert verifies(mail.replace(b"=One-Click", b"=Two-Clicks")) == [False, False]


def test_fields_and_lifetime_of_ones_own() -> None:
    """What is named is signed, once more than it stands when oversigned; x= is the end of the lifetime."""
    layer = DKIM("example.com", "rsa", RSA, headers=["X-A", "Comments"], oversign=["From"], lifetime=60)
    letter = message(headers=[("Comments", "1"), ("Comments", "2"), ("X-A", "a")])
    head = signed(letter, layer).partition(b"\r\nFrom:")[0].replace(b"\r\n", b"")
    tags = dict(tag.strip().split(b"=", 1) for tag in head.partition(b":")[2].split(b";"))
    assert tags[b"h"].replace(b" ", b"") == b"from:from:x-a:comments:comments"
    assert int(tags[b"x"]) - int(tags[b"t"]) == 60
    assert verifies(signed(letter, layer), signatures=1) == [True]


def test_a_retry_is_the_same_signature() -> None:
    """A mail is signed once; every attempt carries the same octets."""
    rules = [Rule("BODY", nth=1).reply("451 4.3.0 later")]
    with ScriptedSMTPServer(rules) as server:
        with Mailer(server.url(), layers=[both(), Retry(delay=0.001)]) as mailer:
            assert mailer.send(message()).attempts == 2
        first, second = server.sessions[0].transactions
        assert first.content == second.content
        assert verifies(server.commits[0].content) == [True, True]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_streamed_part_is_read_twice(is_async: bool, tmp_path: Path) -> None:
    """Once for the hash of both signatures, once on its way; what arrives verifies."""
    mail = StreamedMail(str(tmp_path))
    with ScriptedSMTPServer() as server, Mailer(server.url(), layers=[both()]) as mailer:
        if is_async:

            async def send() -> None:
                async with mailer:
                    await mailer.asend(mail.parcel)

            asyncio.run(send())
        else:
            mailer.send(mail.parcel)
        assert mail.passes == 2
        assert verifies(server.commits[0].content) == [True, True]


def test_a_file_that_changed_is_not_sent(tmp_path: Path) -> None:
    """A content that cannot be read for its signature is not sent."""
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(2 << 20))
    parcel = message().attach_file(path).parcel()
    path.write_bytes(b"changed")
    mailer = Mailer("memory:", layers=[both()])
    with pytest.raises(Withheld, match="has changed"):
        mailer.send(parcel)
    assert not mailer.backend.outbox  # type: ignore[attr-defined]


def test_layers_that_change_content_come_first() -> None:
    """Before the signature they are signed too; behind it they are refused."""
    layers: list[Layer] = [Redirect(to="dev@example.com"), Defaults({"Subject-Of": "x"}), both()]
    mailer = Mailer("memory:", layers=layers)
    mailer.send(message())
    assert verifies(bytes(mailer.backend.outbox[0].content)) == [True, True]  # type: ignore[attr-defined]
    for late in (Redirect(to="dev@example.com"), Defaults({"X-A": "1"})):
        with pytest.raises(ConfigurationError, match="behind DKIM, whose signature it would break"):
            Mailer("memory:", layers=[both(), late])
    Mailer("memory:", layers=[both(), Redirect(allow=["*@*"])])


def test_by_url(tmp_path: Path) -> None:
    """Domain, selectors and key files in a URL; several keys are one layer."""
    for name, pem in (("rsa", RSA), ("ed", ED25519)):
        (tmp_path / f"{name}.pem").write_bytes(pem)
    keys = f"{tmp_path}/rsa.pem,{tmp_path}/ed.pem"
    mailer = Mailer(f"dkim(memory:)?domain=example.com&selector=rsa,ed&key={keys}&headers=amazon-ses")
    mailer.send(message())
    assert verifies(bytes(mailer.backend.outbox[0].content)) == [True, True]  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="each key needs a selector"):
        Mailer(f"dkim(memory:)?domain=example.com&selector=rsa&key={keys}")
    with pytest.raises(ConfigurationError, match="needs the option key"):
        Mailer("dkim(memory:)?domain=example.com&selector=rsa")


def test_ed25519_alone_is_warned_of() -> None:
    """Large receivers do not verify it."""
    with pytest.warns(UserWarning, match="Ed25519 alone"):
        Mailer("memory:", layers=[DKIM("example.com", "ed", ED25519)])


# -- keys


def encrypted() -> bytes:
    """Return a key with a passphrase."""
    from cryptography.hazmat.primitives import serialization

    private = serialization.load_pem_private_key(RSA, None)
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )


def public() -> bytes:
    """Return the public half."""
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(RSA, None).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def other(kind: str) -> bytes:
    """Return a key that DKIM cannot use."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    private = (
        ec.generate_private_key(ec.SECP256R1())
        if kind == "ec"
        else rsa.generate_private_key(public_exponent=65537, key_size=1024)
    )
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (b"no key", "no private key in PEM"),
        (b"", "no private key in PEM"),
        (RSA[:-200], "no private key in PEM"),
        (RSA.replace(b"A", b"B"), "no private key in PEM"),
        ("/etc/dkim/key.pem", "pass a pathlib.Path"),
        (Path("/nowhere/key.pem"), "/nowhere/key.pem cannot be read: No such file"),
        (5, "must be PEM bytes or a pathlib.Path"),
    ],
    ids=["text", "empty", "cut", "broken", "a str", "no file", "a number"],
)
def test_what_is_no_key_is_refused(key: object, why: str) -> None:
    """Each has its own words, and no part of a key is in any."""
    with pytest.raises(ConfigurationError, match=why) as caught:
        DKIM("example.com", "s", key)  # type: ignore[arg-type]
    lines = RSA.decode().split("\n")
    assert not any(line in str(caught.value) for line in lines[1:-2])
    assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, OSError)


def test_keys_of_the_wrong_kind_are_refused() -> None:
    """Encrypted, public, elliptic curves: named. RSA of 1024 bits is used, with a warning."""
    for pem, why in (
        (encrypted(), "is encrypted"),
        (public(), "no private key"),
        (other("ec"), "neither RSA nor Ed25519"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            SigningKey(pem)
    with pytest.warns(UserWarning, match="RSA of 1024 bits"):
        SigningKey(other("rsa"))


def test_keys_are_read_from_text_and_files(tmp_path: Path) -> None:
    """PEM text, PEM bytes and a path are the same key."""
    path = tmp_path / "key.pem"
    path.write_bytes(RSA)
    assert len({SigningKey(pem).record for pem in (RSA, RSA.decode(), path)}) == 1
    assert repr(SigningKey(RSA)) == "<SigningKey rsa-sha256 of 2048 bits>"
    assert repr(both()) == (
        "<DKIM rsa._domainkey.example.com (rsa-sha256), ed._domainkey.example.com (ed25519-sha256)>"
    )


@pytest.mark.parametrize("selector", ["mail.2026", "20260101", "s1._x", "eu-1.key-2", "MAIL"])
def test_a_selector_is_any_name_of_the_dns(selector: str) -> None:
    """Below _domainkey a label may be a number, or look like no top-level domain (RFC 6376 3.1)."""
    assert repr(DKIM("example.com", selector, RSA)).startswith(
        f"<DKIM {selector.lower()}._domainkey.example.com"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"domain": "example"},
        {"domain": "exa mple.com"},
        {"domain": "[127.0.0.1]"},
        {"domain": None},
        {"selector": ""},
        {"selector": "a;b"},
        {"selector": None},
        {"headers": None},
        {"oversign": 5},
        {"headers": "all"},
        {"headers": ["Received"]},
        {"headers": ["a:b"]},
        {"headers": [5]},
        {"oversign": [], "headers": ["Date"]},
        {"lifetime": -1},
    ],
    ids=str,
)
def test_wrong_arguments_are_named(wrong: dict[str, object]) -> None:
    """Each is a ConfigurationError that names the argument."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        DKIM(**({"domain": "example.com", "selector": "s", "key": RSA} | wrong))  # type: ignore[arg-type]


# -- the command


def test_keygen_and_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The private key goes into a file of its owner alone, the DNS record to standard output; nothing is overwritten."""
    monkeypatch.chdir(tmp_path)
    assert main(["dkim", "keygen", "--domain", "example.com", "--selector", "s1"]) == 0
    path = tmp_path / "s1.example.com.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    out, err = capsys.readouterr()
    assert out.startswith('s1._domainkey.example.com. IN TXT ( "v=DKIM1; k=rsa; p=')
    strings = out.split('"')[1::2]
    assert max(map(len, strings)) <= 255
    assert "".join(strings) == SigningKey(path).record
    assert "BEGIN" not in out + err
    kept = path.read_bytes()
    assert main(["dkim", "keygen", "--domain", "example.com", "--selector", "s1"]) == 2
    assert "cannot be made: File exists" in capsys.readouterr().err
    assert path.read_bytes() == kept
    assert main(["dkim", "record", str(path), "--domain", "example.com", "--selector", "s1"]) == 0
    assert capsys.readouterr().out == out
    assert main(["dkim", "keygen", "--domain", "bücher.example", "--type", "ed25519", "--out", "ed.pem"]) == 0
    out, err = capsys.readouterr()
    assert out == f'mail._domainkey.xn--bcher-kva.example. IN TXT "{SigningKey(Path("ed.pem")).record}"\n'
    assert "sign by RSA as well" in err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["keygen", "--domain", "a b"], "--domain"),
        (["keygen", "--domain", "example.com", "--bits", "1024"], "2048, 3072 or 4096"),
        (["keygen", "--domain", "example.com", "--out", "/nowhere/x"], "cannot be made"),
        (["record", "/nowhere/x", "--domain", "example.com"], "cannot be read"),
    ],
)
def test_mistakes_in_commands(
    arguments: list[str],
    why: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 2, and what is wrong."""
    monkeypatch.chdir(tmp_path)
    assert main(["dkim", *arguments]) == 2
    assert why in capsys.readouterr().err
    assert not os.listdir(tmp_path)


# -- through Postfix


def through_postfix(postfix: Postfix, count: int) -> None:
    """Send so many varied mails, signed twice, and hold what was delivered to both verifiers."""
    with Mailer(postfix.url, layers=[both()]) as mailer:
        tally = mailer.send_many(letters(count, seed=count)).finish()
    assert tally.deferred + tally.rejected + tally.unknown + tally.invalid == 0
    mails = {mail.content for mail in postfix.delivered()}
    assert len(mails) == count
    found = list(mails)
    assert all(verifies(mail) == [True, True] for mail in found)
    told = verdicts(found, RECORDS)
    assert told == [[("rsa-sha256", "pass"), ("ed25519-sha256", "pass")]] * count


def test_delivered_mails_verify(postfix: Postfix) -> None:
    """What Postfix delivered verifies under dkimpy and OpenDKIM."""
    through_postfix(postfix, 25)


@pytest.mark.figures
def test_a_thousand_delivered_mails_verify(postfix: Postfix) -> None:
    """1,000 varied mails, signed by RSA and Ed25519, through Postfix: all verify under both."""
    through_postfix(postfix, 1000)
