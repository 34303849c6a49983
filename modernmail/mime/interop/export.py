"""A tree of ours as an `EmailMessage`."""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.parser import BytesParser
from os import urandom

from ..render import boundary, multipart_field
from ..structure import Leaf
from ..transfer import Body
from .mail import WIRE, WIRE_UTF8, WireMessage
from .policy import WirePolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from email.policy import Policy
    from typing import Any

    from ..structure import Multipart


def email_message(
    fields: Sequence[str], root: Leaf | Multipart | None, policy: Policy | None, *, is_utf8: bool = False
) -> EmailMessage:
    """Return an `EmailMessage` with these header fields, MIME-Version among them, as they stand on the wire, and this tree.

    Under a policy of the caller it holds what the standard parser would have read from our octets.
    """
    kind: type[Any] = EmailMessage
    if policy is None:
        policy, kind = WIRE_UTF8 if is_utf8 else WIRE, WireMessage
    if root is None:
        root = Leaf(
            "text/plain",
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n",
            Body("7bit", b""),
        )
    part = _part(root, fields, policy, kind, urandom(15).hex(), 0)
    if isinstance(root, Leaf) and isinstance(part._payload, str) and not part._payload.endswith("\r\n"):
        part._payload = part._in_wire_form = f"{part._payload}\r\n"
    message: EmailMessage = part
    return message


def _part(
    node: Leaf | Multipart, fields: Sequence[str], policy: Policy, kind: type[Any], random: str, depth: int
) -> Any:
    if not isinstance(node, Leaf):
        part = kind(policy=policy)
        _set(part, [*fields, multipart_field(node, boundary(random, depth))], policy)
        part._payload = [_part(child, (), policy, kind, random, depth + 1) for child in node.parts]
        return part
    body = node.body
    data = body.data if isinstance(body, Body) else b"".join(body.blocks())
    if node.essence.startswith(_OF_PARTS):
        octets = "".join([*fields, node.head, "\r\n"]).encode("utf-8") + data
        if policy is WIRE and not octets.isascii():
            policy = WIRE_UTF8  # somebody else's mail, which may hold anything
        return BytesParser(_class=kind, policy=policy).parsebytes(octets)
    part = kind(policy=policy)
    # What somebody else wrote may have no field of its own.
    own = _FIELD_END.split(node.head.removesuffix("\r\n")) if node.head else []
    _set(part, [*fields, *own], policy)
    part._payload = part._in_wire_form = data.decode("ascii", "surrogateescape")
    return part


_FIELD_END = re.compile(r"\r\n(?![ \t])")
_OF_PARTS = ("message/", "multipart/")


def _set(part: Any, fields: Sequence[str], policy: Policy) -> None:
    if isinstance(policy, WirePolicy):
        for field in fields:
            name, _, value = field.partition(":")
            part.set_raw(name, value.strip(" \r\n"))
    else:
        for field in fields:
            lines = field.removesuffix("\r\n").split("\r\n")
            part.set_raw(*policy.header_source_parse([f"{line}\r\n" for line in lines]))
