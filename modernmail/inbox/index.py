"""The index: one row a mail in SQLite, in a file or in memory.

Only `Store` calls it, under its lock. Rules of the file: one statement, one method; nothing of a mail's
content is kept but what lists and searches need.
"""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections import Counter
from typing import TYPE_CHECKING

from modernmail.errors import ConfigurationError

from . import schema
from .mail import CapturedMail
from .search import fold
from .weight import WEIGHT, Weight, weight_of
from .wordindex import WordIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modernmail.reading import Mailbox

    from .summary import Summary, Words


class Index:
    """The rows of a store, in the SQLite file `path` (`:memory:` for none)."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self.close = weakref.finalize(self, self._db.close)  # an index that nobody closed closes itself
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self.close()
            raise ConfigurationError(f"{path} is no inbox: {error}") from error

    def _open(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        # A crash of the machine may cost the last mails, no more; a checkpoint waits for the disk.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA wal_autocheckpoint = 4000")
        self._db.execute("BEGIN IMMEDIATE")  # two processes may open a new store at once
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in schema.SCHEMA.split(";\n"):
                self._db.execute(statement)
            if schema.has_fts():
                self._db.execute(schema.FTS)
            self._db.execute(f"PRAGMA user_version = {schema.VERSION}")
        self._db.execute("COMMIT")
        if version > schema.VERSION:
            raise sqlite3.DatabaseError(
                f"made by a newer release (version {version}; this one reads {schema.VERSION})"
            )
        self._words = WordIndex(self._db)
        self._weight = Weight(self._db)

    # -- writing; `begin` first, then `commit` or `rollback`

    def begin(self) -> None:
        """Start a change that other processes wait for."""
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Keep the change."""
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the change."""
        self._weight.forget()
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def insert(self, mail: CapturedMail, words: Words) -> int:
        """Add a row and return its number."""
        summary = words.summary
        sender, named = _words_of([summary.sender] if summary.sender else []), (*summary.to, *summary.cc)
        addressees = " ".join((_words_of(named), *summary.recipients))
        everything = "\n".join((summary.subject, sender, addressees, words.text))
        recipients, options = json.dumps(mail.recipients), json.dumps(mail.recipient_options)
        mailboxes = [[summary.sender] if summary.sender else [], summary.to, summary.cc, summary.reply_to]
        cursor = self._db.execute(
            "INSERT INTO mails VALUES (NULL" + ", ?" * 22 + ")",
            (
                *(
                    mail.id,
                    mail.received_at.timestamp(),
                    mail.size,
                    mail.return_path,
                    recipients,
                ),
                *(mail.peer, mail.helo, mail.tls, mail.user, json.dumps(mail.options)),
                *(
                    options,
                    summary.subject,
                    json.dumps(mailboxes),
                    summary.message_id,
                ),
                *(summary.snippet, summary.attachments, json.dumps(summary.tags), 0),
                *(fold(f"{sender} {mail.return_path}"), fold(addressees), fold(summary.subject)),
                "" if self._words.exists else fold(everything),
            ),
        )
        self._weight.add(weight_of(mail.size, recipients, options))
        seq = int(cursor.lastrowid or 0)
        if self._words.exists:
            self._words.add(seq, everything)
        return seq

    def delete(self, rows: Sequence[tuple[int, str]]) -> None:
        """Remove the rows (number, id)."""
        numbers = [(seq,) for seq, _ in rows]
        self._weight.remove(numbers)
        self._db.executemany("DELETE FROM mails WHERE seq = ?", numbers)
        if self._words.exists:
            self._words.remove(numbers)

    def mark(self, query: str, *, seen: bool) -> None:
        """Mark what `query` finds as seen or unseen."""
        with self._words.asking(query) as where:
            sql = f"UPDATE mails SET seen = ? WHERE seen != ? AND ({where.sql})"  # noqa: S608 - values are parameters
            self._db.execute(sql, (seen, seen, *where.parameters))

    # -- reading

    def find(self, query: str, *, limit: int, start: int = 0, after: int = 0) -> list[Summary]:
        """Return the newest mails that `query` finds, `start` of them left out, none up to number `after`."""
        with self._words.asking(query) as where:
            sql = f"SELECT {schema.SUMMARY} FROM mails WHERE seq > ? AND {where.sql} ORDER BY seq DESC LIMIT ? OFFSET ?"  # noqa: S608 - values are parameters
            rows = self._db.execute(sql, (after, *where.parameters, limit, start)).fetchall()
        return [schema.summary_of(row) for row in rows]

    def first(self, query: str, *, after: int) -> Summary | None:
        """Return the oldest mail past number `after` that `query` finds, or None."""
        with self._words.asking(query) as where:
            sql = f"SELECT {schema.SUMMARY} FROM mails WHERE seq > ? AND {where.sql} ORDER BY seq LIMIT 1"  # noqa: S608 - values are parameters
            row = self._db.execute(sql, (after, *where.parameters)).fetchone()
        return None if row is None else schema.summary_of(row)

    def count(self, query: str = "") -> int:
        """Return how many mails `query` finds."""
        with self._words.asking(query) as where:
            sql = f"SELECT count(*) FROM mails WHERE {where.sql}"  # noqa: S608 - values are parameters
            return int(self._db.execute(sql, where.parameters).fetchone()[0])

    def rows(self, query: str = "") -> list[tuple[int, str]]:
        """Return number and id of what `query` finds, oldest first."""
        with self._words.asking(query) as where:
            sql = f"SELECT seq, id FROM mails WHERE {where.sql} ORDER BY seq"  # noqa: S608 - values are parameters
            return self._db.execute(sql, where.parameters).fetchall()

    def surplus(self, limit: int, oldest: float | None, octets: int | None) -> list[tuple[int, str]]:
        """Return number and id of the mails over `limit` or `octets`, and of the first received before `oldest`.

        The newest is never too large. Asked after every mail, so it looks at the ends of the table only: nothing
        is read through, nothing sorted.
        """
        found: dict[int, str] = {}
        if oldest is not None:
            sql = "SELECT seq, id, received_at FROM mails ORDER BY seq"
            for seq, mail_id, received_at in self._db.execute(sql):
                if received_at >= oldest:
                    break
                found[seq] = mail_id
        bounds = "SELECT (SELECT max(seq) FROM mails) - (SELECT min(seq) FROM mails) + 1"
        (span,) = self._db.execute(bounds).fetchone()
        if span is not None and span > limit:  # deletions leave gaps: only now it is worth counting
            (count,) = self._db.execute("SELECT count(*) FROM mails").fetchone()  # over the index of the ids
            sql = "SELECT seq, id FROM mails ORDER BY seq LIMIT ?"
            found |= dict(self._db.execute(sql, (max(count - limit, 0),)).fetchall())
        if octets is not None and (over := self._weight.octets - octets) > 0:
            sql = f"SELECT seq, id, {WEIGHT} FROM mails WHERE seq < (SELECT max(seq) FROM mails) ORDER BY seq"  # noqa: S608
            for seq, mail_id, weight in self._db.execute(sql):
                if over <= 0:
                    break
                found[seq] = mail_id
                over -= weight
        return list(found.items())

    def neighbours(self, seq: int, query: str) -> tuple[str | None, str | None]:
        """Return the ids of the next newer and the next older mail that `query` finds."""
        with self._words.asking(query) as where:
            newer = f"SELECT id FROM mails WHERE seq > ? AND {where.sql} ORDER BY seq LIMIT 1"  # noqa: S608 - values are parameters
            older = f"SELECT id FROM mails WHERE seq < ? AND {where.sql} ORDER BY seq DESC LIMIT 1"  # noqa: S608 - values are parameters
            found = [self._db.execute(sql, (seq, *where.parameters)).fetchone() for sql in (newer, older)]
        return (found[0] and found[0][0], found[1] and found[1][0])

    def get(self, mail_id: str) -> tuple[Summary, CapturedMail] | None:
        """Return the summary and the envelope (with no content) of a mail, or None."""
        sql = f"SELECT {schema.SUMMARY}, peer, helo, tls, user, options, recipient_options FROM mails WHERE id = ?"  # noqa: S608 - a constant
        row = self._db.execute(sql, (mail_id,)).fetchone()
        if row is None:
            return None
        summary = schema.summary_of(row[:13])
        peer, helo, tls, user, options, recipient_options = row[13:]
        mail = CapturedMail(
            return_path=summary.return_path,
            recipients=summary.recipients,
            content=b"",
            id=mail_id,
            received_at=summary.received_at,
            peer=peer,
            helo=helo,
            tls=tls,
            user=user,
            options=tuple(json.loads(options)),
            recipient_options=tuple(tuple(given) for given in json.loads(recipient_options)),
        )
        return summary, mail

    def tags(self) -> dict[str, int]:
        """Return every tag in use, sorted, and of how many mails."""
        counts: Counter[str] = Counter()
        for text, mails in self._db.execute(
            "SELECT tags, count(*) FROM mails WHERE tags != '[]' GROUP BY tags"
        ):
            counts.update(dict.fromkeys(json.loads(text), mails))
        return dict(sorted(counts.items()))

    def last(self) -> int:
        """Return the number of the newest mail that ever came."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'mails'").fetchone()
        return int(row[0]) if row else 0

    def data_version(self) -> int:
        """Return a number that changes when another process changed the file."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])


def _words_of(mailboxes: Iterable[Mailbox]) -> str:
    return " ".join(f"{mailbox.name} {mailbox.address}" for mailbox in mailboxes)
