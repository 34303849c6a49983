"""Judges what came of a row: the client's word against the server's log, one line for each thing wrong."""

from __future__ import annotations

from collections import Counter

from modernmail.errors import DeliveryError, SecurityFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from faults.play import Played, Sent
    from faults.row import Expected, Row

_CONTENT = {"MAIL", "RCPT", "DATA", "BODY", "BDAT"}


def problems(row: Row, played: Played) -> list[str]:
    """Return what is wrong; nothing is the right answer."""
    found: list[str] = []
    for sent, expected in zip(played.sent, row.sends, strict=True):
        found += _word(sent, expected)
        found += _truth(sent, played, lies=row.server_lies)
    known = {_message_id(sent.message.as_bytes()) for sent in played.sent}
    found += [
        "a mail nobody wrote was committed" for one in played.commits if _message_id(one.content) not in known
    ]
    found += [f"must not: {rule}" for rule in row.must_not if _BREAKS[rule](played)]
    if not row.lenient:
        found += [fault for session in played.sessions for fault in session.violations]
    if len(played.sessions) > 2 * len(played.sent):
        found.append(
            f"{len(played.sessions)} connections for {len(played.sent)} mails: a wire is replaced once"
        )
    if played.is_left_open:
        found.append("a closed mailer left a connection open")
    if row.is_transient is not None:
        error = played.sent[0].error
        said = error.is_transient if isinstance(error, DeliveryError) else None
        if said is not row.is_transient:
            found.append(f"is_transient is {said}, not {row.is_transient}")
    if played.seconds > played.limit:
        found.append(f"it took {played.seconds:.2f} s, over {played.limit:.2f} s")
    return found


def class_of(sent: Sent) -> str:
    """Return the class of what the client said of one message."""
    if isinstance(sent.error, SecurityFailed):
        return "security"
    if sent.receipt is None:
        return "nothing"
    words = {"accepted": "success", "deferred": "transient", "rejected": "permanent", "unknown": "ambiguous"}
    classes = {words[outcome.status] for outcome in sent.receipt.recipients.values()}
    return classes.pop() if len(classes) == 1 else "partial"


def _word(sent: Sent, expected: Expected) -> list[str]:
    """What the client said of each recipient, against what is right."""
    if sent.receipt is None:
        return [f"no receipt: {sent.error!r}"]
    said = {address: outcome.status for address, outcome in sent.receipt.recipients.items()}
    found = [
        f"{address} is {said.get(address, 'missing')}, not {' or '.join(sorted(right))}"
        for address, right in expected.statuses.items()
        if said.get(address) not in right
    ]
    if class_of(sent) not in expected.classes:
        found.append(f"the class is {class_of(sent)}, not {' or '.join(sorted(expected.classes))}")
    if (sent.error is None) != ("accepted" in said.values()):
        found.append("send() must raise when nobody was accepted, and only then")
    return found


def _truth(sent: Sent, played: Played, *, lies: bool) -> list[str]:
    """What the client said of each recipient, against what the server took responsibility for."""
    content = sent.message.as_bytes()
    mine = [commit for commit in played.commits if _message_id(commit.content) == _message_id(content)]
    found = ["content altered" for commit in mine if commit.content != content]
    committed = Counter(address for commit in mine for address in commit.recipients)
    found += [
        f"{address} was sent the mail {count} times" for address, count in committed.items() if count > 1
    ]
    if sent.receipt is None:
        return found
    for address, outcome in sent.receipt.recipients.items():
        if outcome.status == "accepted" and not committed[address]:
            found.append(f"{address} is accepted, but nothing was committed")
        if outcome.status in {"deferred", "rejected"} and committed[address] and not lies:
            found.append(f"{address} is {outcome.status}, but was committed")
    return found


def _message_id(content: bytes) -> bytes:
    head = content.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return next((line for line in head if line.lower().startswith(b"message-id:")), b"")


def _mail(played: Played) -> bool:
    return any(step.name == "MAIL" for session in played.sessions for step in session.steps)


def _content(played: Played) -> bool:
    """Whether any content came: bytes between DATA and its end beyond a lone dot, or in a chunk."""
    for session in played.sessions:
        for step, following in zip(session.steps, session.steps[1:], strict=False):
            if step.name == "DATA" and following.name == "BODY" and following.offset - step.offset > 3:
                return True
        if any(transaction.raw for transaction in session.transactions):
            return True
    return False


def _commit(played: Played) -> bool:
    return bool(played.commits)


def _plaintext_mail(played: Played) -> bool:
    return any(not step.tls and step.name in _CONTENT for one in played.sessions for step in one.steps)


def _password_in_clear(played: Played) -> bool:
    return any(not step.tls and step.name == "AUTH" for one in played.sessions for step in one.steps)


def _resend(played: Played) -> bool:
    complete = [
        _message_id(transaction.content)
        for session in played.sessions
        for transaction in session.transactions
        if transaction.complete and transaction.raw
    ]
    return len(set(complete)) < len(complete)


def _many_logins(played: Played) -> bool:
    return sum(any(step.name == "AUTH" for step in session.steps) for session in played.sessions) > 1


_BREAKS = {
    "mail": _mail,
    "content": _content,
    "commit": _commit,
    "plaintext_mail": _plaintext_mail,
    "password_in_clear": _password_in_clear,
    "resend": _resend,
    "many_logins": _many_logins,
}
