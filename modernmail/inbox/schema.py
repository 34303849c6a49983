"""The tables of the index, and a row of them as a summary."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime

from modernmail.reading import Mailbox

from .summary import Summary

VERSION = 1

SCHEMA = """
CREATE TABLE mails (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    received_at REAL NOT NULL,
    size INTEGER NOT NULL,
    return_path TEXT NOT NULL,
    recipients TEXT NOT NULL,          -- JSON, as are the other lists
    peer TEXT, helo TEXT, tls TEXT, user TEXT,
    options TEXT NOT NULL,
    recipient_options TEXT NOT NULL,
    subject TEXT NOT NULL,
    mailboxes TEXT NOT NULL,           -- from, to, cc, reply_to: lists of (name, address)
    message_id TEXT NOT NULL,
    snippet TEXT NOT NULL,
    attachments INTEGER NOT NULL,
    tags TEXT NOT NULL,
    seen INTEGER NOT NULL DEFAULT 0,
    sender TEXT NOT NULL, addressees TEXT NOT NULL, subject_folded TEXT NOT NULL,  -- to compare with
    body TEXT NOT NULL DEFAULT ''      -- to compare with, where there is no FTS5
);
CREATE TABLE unindexed (seq INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE INDEX mails_unseen ON mails (seq) WHERE seen = 0;
"""
FTS = 'CREATE VIRTUAL TABLE words USING fts5(text, tokenize = "unicode61 remove_diacritics 2")'
SUMMARY = (
    "seq, id, received_at, size, return_path, recipients, subject, mailboxes, message_id, snippet,"
    " attachments, tags, seen"
)


def has_fts() -> bool:
    """Return whether this SQLite can index words."""
    with sqlite3.connect(":memory:") as db:
        options = {name for (name,) in db.execute("PRAGMA compile_options")}
    db.close()
    return "ENABLE_FTS5" in options


def summary_of(row: tuple[object, ...]) -> Summary:
    """Return what the columns of `SUMMARY` say."""
    seq, mail_id, received_at, size, return_path, recipients, subject, mailboxes, message_id = row[:9]
    snippet, attachments, tags, seen = row[9:]
    senders, to, cc, reply_to = (
        tuple(Mailbox(*mailbox) for mailbox in group) for group in json.loads(str(mailboxes))
    )
    return Summary(
        seq=int(str(seq)),
        id=str(mail_id),
        received_at=datetime.fromtimestamp(float(str(received_at)), UTC),
        size=int(str(size)),
        return_path=str(return_path),
        recipients=tuple(json.loads(str(recipients))),
        subject=str(subject),
        sender=senders[0] if senders else None,
        to=to,
        cc=cc,
        reply_to=reply_to,
        message_id=str(message_id),
        snippet=str(snippet),
        attachments=int(str(attachments)),
        tags=tuple(json.loads(str(tags))),
        unseen=not seen,
    )
