"""Address: what it takes, what it refuses, and that both are told in time and without surprise."""

from __future__ import annotations

import copy
import email.policy
import pickle
import subprocess
import sys
import unicodedata
from collections import UserString
from email.headerregistry import Address as RegistryAddress
from email.headerregistry import Group
from typing import Any

import pytest
from budget import in_both_runs
from corpus import cases
from hypothesis import example, given
from hypothesis import strategies as st

from modernmail import Message
from modernmail.address import Address
from modernmail.errors import InvalidAddress

ATEXT = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~"
LDH = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

dot_atoms = st.lists(st.text(ATEXT, min_size=1, max_size=8), min_size=1, max_size=4).map(".".join)
quoted_strings = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
labels = st.builds(
    lambda first, middle, last: first + middle + last,
    *(
        st.text(LDH, min_size=1, max_size=2),
        st.text(LDH + "-_", max_size=6),
        st.text(LDH, min_size=1, max_size=2),
    ),
).filter(lambda label: not label.lower().startswith("xn--"))
domains = st.builds(
    lambda before, last: ".".join([*before, last]),
    st.lists(labels, max_size=3),
    st.sampled_from(["example", "com", "test"]),
)
addr_specs = st.builds(lambda local, domain: f"{local}@{domain}", dot_atoms | quoted_strings, domains)
names = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029")
    | st.sampled_from(' \t",<>@()\\:;[].'),
    max_size=20,
)
# Text that comes close to the grammar: its own characters, and those it must refuse.
near_misses = st.lists(
    st.sampled_from(
        [
            *'@@@...<>"",;:()[]\\ \t\r\n\0\x7f-_',
            "a",
            "b.c",
            "example.com",
            "é",
            "例",
            "\u2028",
            "\u202e",
            "\ud800",
            "xn--",
            "IPv6:",
            "1",
        ]
    ),
    max_size=14,
).map("".join)


@pytest.mark.parametrize("row", cases("addresses", verdict=("accept", "accept_smtputf8")))
def test_a_mailbox_is_taken_apart_exactly(row: dict[str, Any]) -> None:
    """What the corpus calls an address is accepted, with the parts it says."""
    address = Address(row["input"])
    assert (address.name, address.addr_spec) == (row["display_name"], row["addr"])
    assert (address.local, address.domain) == (row["local"], row["domain"])
    assert address.domain_ascii.lower() == row["ascii_domain"].lower()
    assert address.needs_smtputf8 is (row["verdict"] == "accept_smtputf8")


@pytest.mark.parametrize("row", cases("addresses", verdict="reject"))
def test_what_is_no_mailbox_is_refused(row: dict[str, Any]) -> None:
    """What the corpus refuses raises an error with the whole value and a reason."""
    with pytest.raises(InvalidAddress) as caught:
        Address(row["input"])
    assert caught.value.value == row["input"]
    assert caught.value.argument == "address"
    assert len(caught.value.reason) > 5


@pytest.mark.parametrize("row", cases("addresses", verdict="either"))
def test_what_may_be_refused_is_never_altered(row: dict[str, Any]) -> None:
    """A matter of policy is refused, or it is the address that was written."""
    try:
        address = Address(row["input"])
    except InvalidAddress:
        return
    assert address.addr_spec == row["addr"]
    if row["display_name"] is not None:
        assert address.name == row["display_name"]


@pytest.mark.parametrize("row", cases("addresses", verdict=("accept", "accept_smtputf8", "either")))
def test_the_text_form_parses_back(row: dict[str, Any]) -> None:
    """`str()` of an accepted address is a mailbox equal to it."""
    try:
        address = Address(row["input"])
    except InvalidAddress:
        return
    assert Address(str(address)) == address
    assert Address(address.addr_spec).addr_spec == address.addr_spec


@in_both_runs
@given(names, addr_specs)
def test_name_and_addr_spec_survive_the_text_form(run: str, name: str, addr_spec: str) -> None:
    """Any name that a header can carry comes back from `str()`, from pickle and from `repr()`."""
    address = Address(name=name, addr_spec=addr_spec)
    assert (address.name, address.addr_spec) == (name, addr_spec)
    for again in (Address(str(address)), pickle.loads(pickle.dumps(address)), eval(repr(address))):
        assert again == address
        assert (again.name, again.addr_spec) == (name, addr_spec)


@given(addr_specs)
def test_every_addr_spec_of_the_grammar_is_taken(addr_spec: str) -> None:
    """A dot-atom or a quoted string, an @ and labels make an address, alone and in brackets."""
    assert Address(addr_spec).addr_spec == addr_spec
    assert Address(f"<{addr_spec}>") == Address(addr_spec)


@in_both_runs
@given(near_misses | st.text())
@example("a@(Bcc:evil@example.net,yyy)example.com")
def test_what_is_accepted_is_one_clean_mailbox(run: str, text: str) -> None:
    """Whatever the text, an accepted address holds no control, no second @ and nothing that was not there."""
    try:
        address = Address(text)
    except InvalidAddress:
        return
    assert address.addr_spec in text
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in address.addr_spec)
    assert all(char == "\t" or (char >= " " and char != "\x7f") for char in address.name)
    assert address.ascii_addr_spec == address.local + ("@" + address.domain_ascii if address.domain else "")
    assert address.domain_ascii.isascii()
    assert "@" not in address.domain
    assert len(address.local.encode()) <= 255
    assert len(address.domain_ascii) <= 253
    if not address.local.startswith('"'):
        assert not set(address.local) & set(' ()<>[]:;@\\,"')
    assert Address(str(address)) == address


@in_both_runs
@given(
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=15).filter(
        lambda name: "=?" not in name
    ),
    dot_atoms.filter(lambda local: "?=" not in local.partition("=?")[2]),  # an encoded-word, which is refused
    domains,
)
def test_the_standard_parser_reads_the_same(run: str, name: str, local: str, domain: str) -> None:
    """The standard library finds one mailbox in the text form, with the same parts."""
    address = Address(name=name.strip(), addr_spec=f"{local}@{domain}")
    header = email.policy.default.header_factory("To", str(address))
    assert not header.defects
    (found,) = header.addresses
    assert (found.display_name, found.username, found.domain) == (address.name, local, domain)


def test_marks_that_overlap_are_no_encoded_word() -> None:
    """An encoded-word begins by one mark and ends by another: a local part that has but three characters is none."""
    assert Address("=?=@example.com").local == "=?="
    with pytest.raises(InvalidAddress, match="an encoded-word"):
        Address("=?x?=@example.com")


def test_a_second_grammar_agrees() -> None:
    """Another library's validator gives the corpus the same verdicts, as far as it knows ASCII addresses."""
    from email_validator import EmailNotValidError, validate_email

    for row in (case.values[0] for case in cases("addresses", verdict=("accept", "reject"))):
        text = row["input"]
        if not text.isascii() or set(text) & set('"<>[_') or "=?" in text:
            continue
        accepted, reason = True, ""
        try:
            found = validate_email(text, check_deliverability=False, test_environment=True)
        except EmailNotValidError as error:
            accepted, reason = False, str(error)
        if accepted:
            assert row["verdict"] == "accept", text
            assert found.ascii_domain.lower() == Address(text).domain_ascii.lower()
        elif row["verdict"] == "accept":
            # It minds domains of special use, the length of the whole, and hyphens that only IDNA minds.
            lenient = ("special-use", "too long", "two dashes", "not within a valid top-level", "IDNA")
            assert any(word in reason for word in lenient), f"{text}: {reason}"


def test_a_name_and_an_addr_spec_apart() -> None:
    """`name=` takes any text that a header can carry, and the text form quotes it where it must."""
    assert str(Address(name="Doe, Jane", addr_spec="jane@example.com")) == '"Doe, Jane" <jane@example.com>'
    assert str(Address(name='a "b" \\ c', addr_spec="a@example.com")) == '"a \\"b\\" \\\\ c" <a@example.com>'
    assert str(Address(name="Zoë Q. Doe", addr_spec="z@example.com")) == '"Zoë Q. Doe" <z@example.com>'
    assert (
        str(Address(name="", addr_spec="z@example.com"))
        == str(Address(addr_spec="z@example.com"))
        == "z@example.com"
    )


@pytest.mark.parametrize(
    "char", ["\r", "\n", "\0", "\x0b", "\x1f", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"]
)
def test_a_name_with_a_control_is_refused(char: str) -> None:
    """A line break, a control or a lone surrogate in a name is refused with its position."""
    with pytest.raises(InvalidAddress, match=r"name: .* at position 2") as caught:
        Address(name=f"ab{char}c", addr_spec="a@example.com")
    assert caught.value.argument == "name"


def test_only_one_way_to_say_it() -> None:
    """The whole text together with parts, or a name alone, is refused."""
    with pytest.raises(InvalidAddress, match="either the whole mailbox"):
        Address("a@example.com", name="A")
    with pytest.raises(InvalidAddress, match="either the whole mailbox"):
        Address("a@example.com", addr_spec="a@example.com")
    with pytest.raises(InvalidAddress, match="either the whole mailbox"):
        Address(name="A")
    with pytest.raises(InvalidAddress, match="addr_spec"):
        Address(name="A", addr_spec="A <a@example.com>")


def test_the_registry_address_is_taken() -> None:
    """An `email.headerregistry.Address` becomes the same mailbox; its Group does not."""
    given_address = RegistryAddress("Doe, Zoë", "z d", "example.com")
    assert Address(given_address) == Address('"Doe, Zoë" <"z d"@example.com>')
    assert Address.many(given_address) == (Address(given_address),)
    with pytest.raises(InvalidAddress, match="expected a str or an Address, not Group"):
        Address(Group("list", (given_address,)))


class Sly(str):
    """A str that says one thing and holds another."""

    __slots__ = ()

    def __str__(self) -> str:
        return "innocent@example.com"

    def strip(self, *_: Any) -> str:  # noqa: D102
        return "innocent@example.com"

    def encode(self, *_: Any) -> bytes:  # noqa: D102
        return b"innocent@example.com"


def test_a_subclass_of_str_counts_for_what_it_holds() -> None:
    """Methods of a str subclass cannot smuggle a line break past the check."""
    with pytest.raises(InvalidAddress, match="carriage return"):
        Address(Sly("a@example.com\r\nBcc: evil@example.net"))
    with pytest.raises(InvalidAddress, match="line feed"):
        Address(name=Sly("a\nb"), addr_spec="a@example.com")
    address = Address(Sly("a@example.com"))
    assert address.addr_spec == "a@example.com"
    assert type(address.addr_spec) is str


def test_a_lazy_string_is_asked_once() -> None:
    """A stand-in for a string is turned into text when the address is made, and checked as text."""
    assert Address(name=UserString("Zoë"), addr_spec="z@example.com").name == "Zoë"
    assert Address.of(UserString("z@example.com")) == Address("z@example.com")
    with pytest.raises(InvalidAddress, match="line feed"):
        Address(name=UserString("a\nb"), addr_spec="z@example.com")


def test_a_pair_is_told_how_it_is_written() -> None:
    """Who knows pairs of name and address from elsewhere reads what they are here."""
    with pytest.raises(InvalidAddress, match=r"to\[0\].*not tuple: .*Address\(name=…, addr_spec=…\)"):
        Address.many([("Zoë", "z@example.com")], "to")


@pytest.mark.parametrize("argument", ["to", "cc", "bcc", "reply_to", "from_email"])
def test_a_bare_pair_is_not_two_mailboxes(argument: str) -> None:
    """A pair that stands where several mailboxes may is one mailbox by its look: no mail goes to a user Zoë of the server."""
    with pytest.raises(InvalidAddress, match=rf"^{argument}: .*one mailbox: Address\(name=…, addr_spec=…\)"):
        Message(**{argument: ("Zoë", "z@example.com")})  # type: ignore[arg-type]
    assert len(Address.many(("y@example.com", "z@example.com"))) == 2
    assert len(Address.many(["root", "z@example.com"])) == 2
    assert len(Address.many(("root", "daemon"))) == 2


@pytest.mark.parametrize(
    "value", [None, b"a@example.com", 7, 1.5, ("A", "a@example.com"), ["a@example.com"], {}, str, object()]
)
def test_what_is_no_text_is_refused(value: object) -> None:
    """Bytes, numbers, tuples and types are no mailbox."""
    with pytest.raises(InvalidAddress, match="expected a str or an Address"):
        Address.of(value, "sender")
    with pytest.raises(InvalidAddress, match=r"addr_spec|either the whole"):
        Address(name="A", addr_spec=value)
    if value is not None:
        with pytest.raises(InvalidAddress, match=r"name: .* expected a str"):
            Address(name=value, addr_spec="a@example.com")


def test_of_keeps_an_address_and_remembers_text() -> None:
    """`Address.of` returns the address it is given, and one address for the same text."""
    address = Address("A <a@example.com>")
    assert Address.of(address) is address
    assert Address(address) == address
    assert Address.of("A <a@example.com>") is Address.of("A <a@example.com>")
    for number in range(5000):  # more than are remembered
        assert Address.of(f"user{number}@host{number}.example").local == f"user{number}"


def test_of_names_the_argument() -> None:
    """The error carries the caller's argument, the value and the reason, and survives pickling."""
    with pytest.raises(InvalidAddress, match=r"^reply_to: 'a b': white space") as caught:
        Address.of("a b", "reply_to")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.argument, again.value, again.reason) == ("reply_to", "a b", caught.value.reason)


def test_many_takes_one_or_a_list() -> None:
    """One mailbox, or any iterable of mailboxes, becomes a tuple."""
    one = Address("a@example.com")
    assert Address.many("a@example.com") == Address.many(one) == (one,)
    assert Address.many(["a@example.com", one]) == Address.many(iter([one, one])) == (one, one)
    assert Address.many({"a@example.com": 1}.keys()) == (one,)
    assert Address.many(()) == ()


@pytest.mark.parametrize(
    "text",
    [
        "a@example.com, b@example.com",
        "A <a@example.com>, B <b@example.com>",
        "a@example.com;b@example.com",
        "a@example.com,",
    ],
)
def test_many_refuses_a_list_in_a_string(text: str) -> None:
    """A str with a list in it is refused, and the error says what to pass."""
    with pytest.raises(InvalidAddress, match=r"^to: .*as a list"):
        Address.many(text, "to")


@pytest.mark.parametrize("value", [None, 5, b"a@example.com", bytearray(b"x"), {"to": "a@example.com"}])
def test_many_refuses_what_is_no_list(value: object) -> None:
    """Bytes, numbers, None and mappings are no list of mailboxes."""
    with pytest.raises(InvalidAddress, match=r"^to: .* expected an address or a list of addresses"):
        Address.many(value, "to")


def test_many_names_the_item() -> None:
    """The error of an item names its place in the list."""
    with pytest.raises(InvalidAddress) as caught:
        Address.many(["a@example.com", "b@example.com", "c"[:0]], "to")
    assert caught.value.argument == "to[2]"


def test_equality_is_by_name_local_part_and_domain() -> None:
    """The domain is compared in A-labels and small letters; the local part and the name as they are."""
    assert Address("a@Example.COM") == Address("a@example.com")
    assert hash(Address("a@Bücher.example")) == hash(Address("a@xn--bcher-kva.example"))
    assert (
        Address("a@bücher.example").key
        == Address("B <a@XN--BCHER-KVA.example>").key
        == "a@xn--bcher-kva.example"
    )
    assert Address('"A" <a@example.com>') == Address("A <a@example.com>")
    assert Address("A@example.com") != Address("a@example.com")
    assert Address("A <a@example.com>") != Address("a@example.com")
    assert Address("a@example.com") != "a@example.com"
    assert Address("root").key == "root"


def test_an_address_is_frozen() -> None:
    """No attribute can be set, added or deleted; copies are the address itself."""
    address = Address("A <a@example.com>")
    for attribute in ("name", "local", "addr_spec", "other"):
        with pytest.raises(AttributeError, match="frozen"):
            setattr(address, attribute, "x")
    with pytest.raises(AttributeError, match="frozen"):
        del address.name
    assert copy.copy(address) is address
    assert copy.deepcopy([address])[0] is address


def test_importing_it_is_cheap() -> None:
    """Nothing that an ASCII address does not need is imported."""
    code = (
        "import sys; before = set(sys.modules); from modernmail.address import Address;"
        "Address('A <a@example.com>');"
        "print({'re', 'email', 'idna', 'ipaddress', 'unicodedata'} & (set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
