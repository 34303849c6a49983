"""What each row's mail is made of: `Template`, a message with holes, and its fingerprint.

Rules of the file: a hole without a column is refused before anything is sent; a row's mail is made alike when it is checked
and when it is sent.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from modernmail.address import Address
from modernmail.errors import ConfigurationError, InvalidValue
from modernmail.merge import holes_in
from modernmail.message import Message

from ..given import add_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Self

    from modernmail.mailer import Mailer
    from modernmail.parcel import Parcel

    from .table import Row, Table


class BadRow(Exception):
    """No mail can be made of a row: the text names it and says why."""


class Template:
    """The message that every row's copy is made of.

    Raises `ConfigurationError` when it asks for columns that the table has not, unless `keeps_braces`, and `InvalidValue`
    for what no message can have.
    """

    def __init__(
        self,
        table: Table,
        *,
        subject: str | None,
        text: str | None,
        html: str | None,
        from_email: str | None = None,
        reply_to: Sequence[str] = (),
        headers: Sequence[tuple[str, str]] = (),
        attach: Sequence[str] = (),
        embed: Sequence[tuple[str, str]] = (),
        unsubscribe: str | None = None,
        keeps_braces: bool = False,
    ) -> None:
        if subject is None and "subject" not in table.columns:
            raise ConfigurationError("say --subject, or have a column 'subject'")
        if text is None and html is None:
            raise ConfigurationError("there is no text: say --text, --text-file or --html-file")
        if any(name.lower() == "message-id" for name, _ in headers):
            raise ConfigurationError("--header Message-ID: each mail needs one of its own, and gets it")
        self.message = Message(
            subject or "", text, html, from_email=from_email, reply_to=reply_to, headers=list(headers)
        )
        add_files(self.message, attach, embed)
        if unsubscribe is not None:
            self.message.unsubscribe(unsubscribe)
            _check_holes("unsubscribe link", unsubscribe.replace("{recipient}", ""), table)
        if not keeps_braces:
            for what, body in (("subject", subject), ("text", text), ("html", html)):
                _check_holes(what, body or "", table)
        self._to_column = table.to_column
        self._hand = _Hand()
        self._merge = self.message.merge(self._hand)
        self._digest = _digest(
            subject, text, html, from_email, reply_to, headers, unsubscribe, [*attach, *dict(embed).values()]
        )

    def message_of(self, row: Row) -> Message:
        """Return the mail of a row. Raises `BadRow`."""
        if row.fault is not None:
            raise BadRow(f"{row.where}: {row.fault}")
        values: dict[str, Any] = dict(row.values)
        try:
            self._hand.row = {**values, "to": self.recipient_of(row)}
            return next(self._merge)
        except InvalidValue as error:
            raise BadRow(f"{row.where}: {_told(error)}") from None

    def parcel_of(self, row: Row, mailer: Mailer) -> Parcel:
        """Return the parcel of a row, as the mailer would send it. Raises `BadRow`."""
        try:
            return mailer.parcel(self.message_of(row))
        except InvalidValue as error:
            raise BadRow(f"{row.where}: {_told(error)}") from None

    def recipient_of(self, row: Row) -> Address:
        """Return whom a row's mail is for; the column `name` is the display name of an address that has none.

        Raises `InvalidAddress`.
        """
        value = row.values[self._to_column].strip()
        address = Address.of(value, self._to_column)
        name = row.values.get("name", "").strip()
        if name and not address.name and self._to_column != "name":
            return Address(name=name, addr_spec=address.addr_spec)
        return address

    def fingerprint(self) -> str:
        """Return what two templates have in common that make the same mails."""
        return self._digest


class _Hand:
    """Gives a merge one row at a time."""

    row: Mapping[str, Any]

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Mapping[str, Any]:
        return self.row


def _check_holes(what: str, body: str, table: Table) -> None:
    known = {*table.columns, "to"}
    missing = [name for name in holes_in(body) if name not in known]
    if missing:
        raise ConfigurationError(
            f"the {what} asks for {{{missing[0]}}}, and {table.path} has no such column: there are "
            f"{', '.join(table.columns)}; --keep-braces leaves as they are those that no column fills"
        )


def _told(error: InvalidValue) -> str:
    """Return an error of a merge without the merge's own count of rows."""
    argument = error.argument
    if argument.startswith("rows["):
        argument = argument.partition("]")[2].lstrip(".")
    return str(error.within(argument or "row"))


def _digest(*parts: object) -> str:
    files = parts[-1]
    found = hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass"))
    assert isinstance(files, list)
    for name in files:
        found.update(file_digest(Path(name)))
    return found.hexdigest()


def file_digest(path: Path) -> bytes:
    """Return the digest of a file's octets."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise ConfigurationError(f"{str(path)!r} cannot be read: {error.strerror}") from error
