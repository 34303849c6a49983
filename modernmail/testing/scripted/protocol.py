"""What a well-behaved server answers to each command, and what it then holds to be true. No IO.

`Protocol.answer` gives an `Answer`: the reply, and what the step does once it is accepted. The conversation
sends the reply and applies the effect, unless a rule says otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .authentication import MECHANISMS
from .record import Session, Transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .offer import Offer

_PATH = re.compile(rb"(?i)^(?:MAIL FROM|RCPT TO): ?<(\"[^\r\n]*\"@[^>\r\n]*|[^>\r\n]*)>((?: [^ ]+)*) *$")


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply; `effect` is what accepting the step makes true; `then` what follows (content, tls …)."""

    reply: str
    effect: Callable[[], None] = _nothing
    then: str = ""


class Protocol:
    """The state of one session, and the answers that follow from it."""

    def __init__(self, offer: Offer, session: Session) -> None:
        self.offer = offer
        self.session = session
        self.tls = False
        self.greeted = False
        self.transaction: Transaction | None = None

    def answer(self, step: str, line: bytes) -> Answer:
        """Return the good answer to a step; `line` is the command without its line end."""
        handler = getattr(self, f"_{step.lower()}", None)
        if handler is None:
            return Answer("500 5.5.1 no such command")
        answer: Answer = handler(line)
        return answer

    def reset(self) -> None:
        """Forget the transaction."""
        self.transaction = None

    def _connect(self, _: bytes) -> Answer:
        return Answer(f"220 {self.offer.hostname} ESMTP scripted")

    def _lhlo(self, line: bytes) -> Answer:
        return self._hello(line) if self.offer.lmtp else Answer("500 5.5.1 no such command")

    def _ehlo(self, line: bytes) -> Answer:
        # RFC 2033 4.1: an LMTP server has no EHLO and no HELO
        return Answer("500 5.5.1 this is LMTP") if self.offer.lmtp else self._hello(line)

    def _hello(self, line: bytes) -> Answer:
        if len(line.split()) < 2:
            return Answer("501 5.5.4 say who you are", self._greet)
        lines = self.offer.lines(tls=self.tls)
        return Answer("\r\n".join([f"250-{text}" for text in lines[:-1]] + [f"250 {lines[-1]}"]), self._greet)

    def _helo(self, _: bytes) -> Answer:
        if self.offer.lmtp:
            return Answer("500 5.5.1 this is LMTP")
        return Answer(f"250 {self.offer.hostname}", self._greet)

    def _greet(self) -> None:
        self.greeted = True
        self.reset()

    def _starttls(self, line: bytes) -> Answer:
        if not self.offer.starttls:
            return Answer("502 5.5.1 STARTTLS is not offered")
        if self.tls:
            return Answer("503 5.5.1 TLS is on already")
        if line.upper() != b"STARTTLS":
            return Answer("501 5.5.4 STARTTLS takes no argument")
        return Answer("220 2.0.0 go ahead", then="tls")

    def start_tls(self) -> None:
        """Forget all that was said in clear (RFC 3207 4.2)."""
        self.tls, self.greeted = True, False
        self.reset()

    def _auth(self, line: bytes) -> Answer:
        words = line.split()
        mechanism = words[1].decode("ascii", "replace").upper() if len(words) > 1 else ""
        if not self.greeted or not self.offer.mechanisms:
            return Answer("503 5.5.1 AUTH is not offered", self._authenticate)
        if self.session.user is not None:
            return Answer("503 5.5.1 authenticated already")
        if mechanism not in self.offer.mechanisms or mechanism not in MECHANISMS:
            return Answer("504 5.5.4 no such mechanism", self._authenticate)
        return Answer("", self._authenticate, then="auth")

    def _authdata(self, _: bytes) -> Answer:
        return Answer("535 5.7.8 authentication failed", self._authenticate)

    def _authenticate(self) -> None:
        self.session.user = ""

    def _mail(self, line: bytes) -> Answer:
        sender, parameters = _path(line)

        def begin() -> None:
            self.transaction = Transaction(sender if sender is not None else _text(line), parameters)
            self.session.transactions.append(self.transaction)

        return Answer(self._mail_refusal(sender, parameters) or "250 2.1.0 sender ok", begin)

    def _mail_refusal(self, sender: str | None, parameters: Mapping[str, str]) -> str:
        offer = self.offer
        if not self.greeted:
            return "503 5.5.1 EHLO first"
        if self.transaction is not None:
            return "503 5.5.1 nested MAIL"
        if offer.require_tls and not self.tls:
            return "530 5.7.0 STARTTLS first"
        if offer.require_auth and self.session.user is None:
            return "530 5.7.0 authentication required"
        if sender is None:
            return "501 5.5.4 MAIL FROM:<address> is expected"
        if not sender.isascii() and not ("SMTPUTF8" in parameters and offer.has("SMTPUTF8")):
            return "553 5.6.7 a non-ASCII address needs SMTPUTF8"
        needs = {"SIZE": "SIZE", "BODY": "8BITMIME", "SMTPUTF8": "SMTPUTF8", "RET": "DSN", "ENVID": "DSN"}
        needs |= {"REQUIRETLS": "REQUIRETLS"}
        for name, value in parameters.items():
            if name == "AUTH" and offer.mechanisms:
                continue
            if name not in needs or not offer.has(needs[name]):
                return f"555 5.5.4 {name} is not offered"
            if name == "SIZE" and not re.fullmatch(r"[0-9]{1,20}", value):
                return "501 5.5.4 SIZE takes a number"
            if name == "SIZE" and offer.size and int(value) > offer.size:
                return "552 5.3.4 message too big"
            if name == "BODY" and value.upper() not in {"7BIT", "8BITMIME"}:
                return "501 5.5.4 no such BODY"
            if name == "REQUIRETLS" and not self.tls:
                return "530 5.7.10 REQUIRETLS needs TLS"
        return ""

    def _rcpt(self, line: bytes) -> Answer:
        address, parameters = _path(line)
        name = address if address is not None else _text(line)

        def add() -> None:
            if self.transaction is not None:
                self.transaction.recipients.append(name)
                self.transaction.recipient_parameters[name] = parameters

        return Answer(self._rcpt_refusal(address, parameters) or "250 2.1.5 recipient ok", add)

    def _rcpt_refusal(self, address: str | None, parameters: Mapping[str, str]) -> str:
        if self.transaction is None:
            return "503 5.5.1 MAIL first"
        if not address:
            return "501 5.5.4 RCPT TO:<address> is expected"
        if not address.isascii() and "SMTPUTF8" not in self.transaction.parameters:
            return "553 5.6.7 a non-ASCII address needs SMTPUTF8"
        for name in parameters:
            if name not in {"NOTIFY", "ORCPT"} or not self.offer.has("DSN"):
                return f"555 5.5.4 {name} is not offered"
        return ""

    def refuse_recipient(self, line: bytes) -> None:
        """Remember a recipient that was not taken."""
        if self.transaction is not None:
            self.transaction.refused.append(_path(line)[0] or _text(line))

    def _data(self, _: bytes) -> Answer:
        if self.transaction is None:
            return Answer("503 5.5.1 MAIL first", then="content")
        if self.transaction.chunked:
            return Answer("503 5.5.1 BDAT was begun", then="content")
        if not self.transaction.recipients:
            return Answer("554 5.5.1 no valid recipients", then="content")
        return Answer("354 end with a dot", then="content")

    def _bdat(self, line: bytes) -> Answer:
        transaction = self.transaction
        if not self.offer.has("CHUNKING"):
            return Answer("502 5.5.1 BDAT is not offered")
        if transaction is None:
            return Answer("503 5.5.1 MAIL first")
        if not transaction.recipients:
            return Answer("554 5.5.1 no valid recipients")
        if not transaction.complete:
            return Answer(f"250 2.0.0 {line.split()[1].decode()} octets taken")
        return self._body(line)

    def _body(self, _: bytes) -> Answer:
        transaction = self.transaction
        if transaction is None or not transaction.recipients:
            return Answer("554 5.5.1 no valid recipients")
        if self.offer.size and len(transaction.raw) > self.offer.size:
            return Answer("552 5.3.4 message too big")
        queued = f"queued as S{self.session.number}T{len(self.session.transactions)}"
        if self.offer.lmtp:
            # RFC 2033 4.2: one reply for each recipient, in the order of RCPT
            return Answer("\r\n".join(f"250 2.0.0 <{name}> {queued}" for name in transaction.recipients))
        return Answer(f"250 2.0.0 {queued}")

    def _rset(self, _: bytes) -> Answer:
        return Answer("250 2.0.0 forgotten", self.reset)

    def _noop(self, _: bytes) -> Answer:
        return Answer("250 2.0.0 still here")

    def _vrfy(self, _: bytes) -> Answer:
        return Answer("252 2.5.0 send mail and see")

    def _help(self, _: bytes) -> Answer:
        return Answer("214 2.0.0 RFC 5321")

    def _quit(self, _: bytes) -> Answer:
        return Answer("221 2.0.0 bye", then="quit")


def _path(line: bytes) -> tuple[str | None, dict[str, str]]:
    match = _PATH.match(line)
    if match is None:
        return None, {}
    parameters = {}
    for item in _text(match[2]).split():
        name, _, value = item.partition("=")
        parameters[name.upper()] = value
    return _text(match[1]), parameters


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
