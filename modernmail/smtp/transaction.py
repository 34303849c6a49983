"""One transaction: MAIL, RCPT …, DATA as a group, and what its replies mean (RFC 5321 3.3).

The pipeline makes one for each batch of recipients, writes its group and gives it the replies.

Rules of the file: pure; every reply is judged by its place; a reply that cannot stand there is a fault of the session,
never a refusal. `deferred` says that nothing was sent for a recipient or the server said later; `rejected` is final.
"""

from __future__ import annotations

from ..outcome import Outcome
from . import commands
from .refusal import is_parting, is_too_many, refused, session_fault
from .replies import WireFault
from .transcript import transcript

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..address import Address
    from ..envelope import DSN
    from ..reply import Reply
    from .delivery import Delivery
    from .extensions import Extensions

DATA = "DATA"


class Transaction:
    """A batch of recipients of one delivery, and how far it got.

    `group` is what begins it, `count` the number of its replies. `accepted` are the recipients whose RCPT was taken;
    `is_going` says that the server waits for the content, `is_sent` that the write which ends the content has begun,
    `is_torn` that the server took recipients of a mail whose MAIL it had refused. `is_rough` says that not all
    went well, so that what was said is worth keeping.
    """

    __slots__ = (
        "_at",
        "_ended",
        "_replies",
        "accepted",
        "addresses",
        "count",
        "delivery",
        "group",
        "is_going",
        "is_rough",
        "is_sent",
        "is_torn",
        "needs_reset",
    )

    def __init__(
        self,
        delivery: Delivery,
        addresses: tuple[Address, ...],
        extensions: Extensions,
        ending: str,
    ) -> None:
        self.delivery = delivery
        self.addresses = addresses
        self.accepted: tuple[Address, ...] = ()
        self.is_going = False
        self.is_sent = False
        self.is_torn = False
        self.needs_reset = False
        self.is_rough = False
        self._replies: Sequence[Reply] = ()  # those to its group begin at `_at`
        self._at = 0
        self._ended: Sequence[Reply] = ()  # those to its content
        self.count = len(addresses) + 2
        self.group = _group(delivery, addresses, extensions, ending)

    @property
    def verbs(self) -> list[str]:
        """The commands of the group, without line ends."""
        return self.group.decode("utf-8").split("\r\n")[:-1]

    def judge(self, replies: list[Reply], at: int = 0) -> None:
        """Judge the replies to MAIL, each RCPT and DATA, which begin at `replies[at]`.

        Raises `WireFault` for a reply that cannot stand in its place.
        """
        self._replies, self._at = replies, at
        # What happens nearly always, in one pass.
        last = at + self.count - 1
        if replies[last].code == 354:
            for reply in replies[at:last]:
                if reply.code != 250:
                    break
            else:
                self.accepted = self.addresses
                self.is_going = True
                return
        self.is_rough = True
        if self.judge_mail(replies[at]):
            self.judge_recipients(replies[at + 1 : last])
            self.judge_data(replies[last])
        else:
            # RFC 2920 3.1: DATA may be accepted though nobody was; only a lone dot ends it
            self.judge_data(replies[last])
            self.is_torn = self.is_going and any(reply.is_positive for reply in replies[at + 1 : last])

    def judge_mail(self, reply: Reply) -> bool:
        """Judge the reply to MAIL; return whether the transaction goes on."""
        if reply.is_positive:
            self.needs_reset = True
            return True
        if is_parting(reply):
            raise WireFault("protocol", f"the server ends the session: {reply}")
        self._refuse(self.addresses, reply, "mail")
        return False

    def judge_recipients(self, replies: list[Reply]) -> None:
        """Judge the replies to RCPT, one for each recipient in turn."""
        accepted: list[Address] = []
        again: list[Address] = []
        for address, reply in zip(self.addresses, replies, strict=True):
            if reply.is_positive:
                accepted.append(address)
            elif accepted and is_too_many(reply):
                again.append(address)  # the rest in a transaction of their own
            else:
                self._refuse((address,), reply, "rcpt")
        self.accepted = tuple(accepted)
        if again:
            self.delivery.remaining = (*again, *self.delivery.remaining)

    def judge_data(self, reply: Reply) -> None:
        """Judge the reply to DATA."""
        if reply.code // 100 == 3:
            self.is_going = True
            return
        self._refuse(self.accepted, reply, "data")
        self.accepted = ()

    def judge_content(self, reply: Reply) -> None:
        """Judge the reply to the content."""
        if reply.is_positive:
            self.settle(self.accepted, Outcome("accepted", reply=reply, phase="done"))
        elif reply.code < 400:
            self.settle(self.accepted, Outcome("unknown", reply=reply, phase="content"))
        else:
            self._refuse(self.accepted, reply, "content")
        self.needs_reset = False
        self._ended = (reply,)
        self.is_rough = self.is_rough or not reply.is_positive

    def judge_partly(self, replies: list[Reply]) -> tuple[Address, ...]:
        """Judge the replies that came before the wire failed; return the recipients that are still open."""
        told = [reply for reply in replies if not is_parting(reply)]
        if told and not told[0].is_positive:
            if told[0].code >= 400:
                self.judge_mail(told[0])
            return () if told[0].code >= 400 else self.addresses
        answers = told[1:]
        open_ = []
        for address, reply in zip(self.addresses, answers, strict=False):
            if reply.code < 400:
                open_.append(address)
            else:
                self._refuse((address,), reply, "rcpt")
        return (*open_, *self.addresses[len(answers) :])

    def lost(self, reason: str) -> None:
        """The wire broke: `unknown` when the end of the content was on its way, `deferred` otherwise."""
        if self.is_sent:
            self.settle(self.accepted, Outcome("unknown", reason=reason, phase="content"))
        else:
            left = self.accepted or tuple(
                a for a in self.addresses if a.addr_spec not in self.delivery.outcomes
            )
            self.settle(
                left, Outcome("deferred", reason=reason, phase="content" if self.is_going else "connect")
            )

    def hear(self, replies: Sequence[Reply]) -> None:
        """Keep the replies to its group, because not all goes well."""
        self._replies, self._at = replies, 0
        self.is_rough = True

    def hear_end(self, replies: Sequence[Reply]) -> None:
        """Keep the replies to its content, because not all goes well."""
        self._ended = replies
        self.is_rough = True

    def transcript(self, end: str | None = None) -> tuple[str, ...]:
        """Return what was said, without the content; `end` is our own remark on how it ended."""
        opened = self._replies[self._at : self._at + self.count]
        return transcript(self, (*opened, *self._ended), end)

    def _refuse(self, addresses: tuple[Address, ...], reply: Reply, phase: str) -> None:
        """Set the outcome of who was refused: final, unless it is for later, or about the session."""
        outcome = refused(reply, phase)
        fault = session_fault(reply, phase)
        if fault is not None:
            self.delivery.error = fault
            outcome = refused(reply, phase, status="deferred")
        self.settle(addresses, outcome)

    def settle(self, addresses: tuple[Address, ...], outcome: Outcome) -> None:
        """Set the outcome of some of its recipients."""
        self.delivery.settle(addresses, outcome)


def _group(delivery: Delivery, addresses: tuple[Address, ...], extensions: Extensions, ending: str) -> bytes:
    """Return MAIL, a RCPT for each address, and the command that asks for the content."""
    parcel = delivery.parcel
    envelope, content = parcel.envelope, parcel.content
    utf8 = extensions.smtputf8 and parcel.needs_smtputf8  # without it such a mail is refused before
    sender = envelope.sender
    group = f"MAIL FROM:<{'' if sender is None else sender.addr_spec if utf8 else sender.ascii_addr_spec}>"
    if extensions.size:
        group += f" SIZE={content.size}"
    if content.is_8bit:
        group += " BODY=8BITMIME"
    if utf8:
        group += " SMTPUTF8"
    if envelope.require_tls:
        group += " REQUIRETLS"
    if envelope.dsn is not None:
        group += _with_dsn(delivery, envelope.dsn, addresses, extensions, utf8=utf8)
    elif utf8:
        group += "".join([f"\r\nRCPT TO:<{address.addr_spec}>" for address in addresses])
    else:
        group += "".join([f"\r\nRCPT TO:<{address.ascii_addr_spec}>" for address in addresses])
    return commands.checked(f"{group}\r\n{ending}\r\n", len(addresses) + 2)


def _with_dsn(
    delivery: Delivery, dsn: DSN, addresses: tuple[Address, ...], extensions: Extensions, *, utf8: bool
) -> str:
    """Return the rest of a group behind MAIL, for a mail that asks for delivery-status notifications (RFC 3461)."""
    out = ""
    if not extensions.dsn:
        delivery.notes = ("delivery-status notifications were asked for; the server does not offer DSN",)
    else:
        if dsn.ret is not None:
            out += " RET=FULL" if dsn.ret == "full" else " RET=HDRS"
        if dsn.envid is not None:
            out += f" ENVID={commands.xtext(dsn.envid)}"
    for address in addresses:
        where = commands.path(address, utf8=utf8)
        out += f"\r\nRCPT TO:<{where}>"
        wishes = dsn.for_recipient(address) if extensions.dsn else ()
        if wishes:
            out += f" NOTIFY={','.join(wishes).upper()} ORCPT={commands.original_recipient(where)}"
    return out
