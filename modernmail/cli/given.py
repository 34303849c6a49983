"""What options give: the text in a file, where to send, values of two parts, and the files of a mail."""

from __future__ import annotations

import os
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


def text_or_file(text: str | None, name: str | None) -> str | None:
    """Return what `--text` says, or the text in the file of `--text-file`."""
    if text is not None and name is not None:
        raise click.UsageError("--text and --text-file say the same thing: give one of them")
    return text if name is None else text_of("--text-file", name)


def url_of(url: str | None, *, is_dry: bool) -> str:
    """Return where to send it: `--url`, else MODERNMAIL_URL; a dry run may name nothing."""
    found = url or os.environ.get("MODERNMAIL_URL") or ("null:" if is_dry else None)
    if found is None:
        raise click.UsageError(
            "say where to send it: --url smtp://mail.example.com, or MODERNMAIL_URL in the environment"
        )
    return found


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
