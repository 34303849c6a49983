"""What a type checker knows of composing: nothing here runs."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path
from typing import IO, assert_type

from modernmail import Address, Attachment, Headers, Message


def builders() -> None:
    """Each method returns the message, so that chains are typed."""
    message = (
        Message(subject="Hi", to=["Zoë <zoe@example.com>", Address("adam@example.com")], text="Hello")
        .attach("data.csv", "a,b\n", "text/csv")
        .attach("data.bin", b"\x00")
        .attach_file(Path("invoice.pdf"))
        .embed("logo", b"png", "image/png")
        .alternative("<p>", "text/html")
        .header("X-Campaign", "autumn")
    )
    assert_type(message, Message)
    assert_type(message.copy(subject="Re: Hi"), Message)
    message.copy(to="zoe@example.com", cc=["adam@example.com"], text=None, attachments=[Path("a.pdf")])
    assert_type(message.as_bytes(), bytes)
    assert_type(message.as_email_message(), EmailMessage)
    assert_type(Message.from_bytes(b""), Message)
    assert_type(Message.from_email_message(EmailMessage()), Message)


def uploads(file: IO[bytes]) -> None:
    """Uploads of Flask and Django are `IO[bytes]`, which is more than `BinaryIO`."""
    Message("Hi", attachments=[("a.bin", file)]).attach("b.bin", file).embed("c", file, "image/png")
    Attachment("d.bin", file)


def buffers(array: bytearray, view: memoryview) -> None:
    """What is as good as bytes is taken, such as `io.BytesIO.getbuffer()`."""
    Message("Hi", attachments=[("a.bin", view)]).attach("b.bin", array).attach("c.bin", view)
    Message("Hi").embed("d", view, "image/png")
    Attachment("e.bin", array)


def parts(message: Message) -> None:
    """What was set can be read with its type."""
    assert_type(message.subject, str)
    assert_type(message.text, str | None)
    assert_type(message.to, tuple[Address, ...])
    assert_type(message.recipients, tuple[str, ...])
    assert_type(message.headers, Headers)
    assert_type(message.attachments, tuple[Attachment, ...])


def addresses() -> None:
    """An address has its parts as text."""
    address = Address("Zoë <zoe@example.com>")
    assert_type(address.name, str)
    assert_type(address.addr_spec, str)
    assert_type(address.domain_ascii, str)


def mistakes() -> None:
    """What is wrong is an error to the type checker too: an ignore that is not needed would be one."""
    Message(to=[1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    Message(subject=b"bytes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Message("Hi").copy(subjct="Hi")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Message("Hi").copy(to=[1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    Message("Hi").attach("name")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
