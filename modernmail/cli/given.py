"""What options give: the text in a file, values of two parts, and the files of a mail."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from modernmail.errors import InvalidAttachment, InvalidValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from modernmail.message import Message


def text_of(option: str, name: str | None) -> str | None:
    """Return the text in a file, or on standard input for `-`; None for no name."""
    if name is None:
        return None
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise click.BadParameter(f"{name!r} cannot be read: {error.strerror}", param_hint=option) from error
    except UnicodeDecodeError as error:
        raise click.BadParameter(
            f"{name!r} is not UTF-8: octet {error.object[error.start]:#04x} at position {error.start}",
            param_hint=option,
        ) from error


def pairs(option: str, values: tuple[str, ...], separator: str, example: str) -> list[tuple[str, str]]:
    """Return each value cut in two."""
    for value in values:
        if separator not in value:
            raise click.BadParameter(f"{value!r}: write it as {example}", param_hint=option)
    cut = (value.partition(separator) for value in values)
    return [(first.strip(), second.strip()) for first, _, second in cut]


def add_files(message: Message, attach: Iterable[str], embed: Iterable[tuple[str, str]]) -> None:
    """Attach the files of `--attach` and embed those of `--embed`; an error names the option."""
    for name in attach:
        try:
            message.attach_file(name)
        except InvalidValue as error:
            raise error.within("--attach") from None
    for cid, name in embed:
        if not name:
            raise InvalidAttachment("--embed", f"{cid}=", "there is no file behind the =")
        try:
            message.embed(cid, Path(name))
        except InvalidValue as error:
            raise error.within("--embed") from None
