"""`modernmail` on the command line: the entry point, and what an error looks like there.

Rules of the file: it imports without click and rich, to say in one line that they are missing; whatever modernmail
raises is one line, never a traceback. Exit codes: 0 sent, 1 not sent, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import logging
import sys
import warnings

from modernmail.errors import ConfigurationError, DeliveryError, InvalidValue, MailError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_SENT, _USAGE, _INTERRUPTED = 1, 2, 130
_OF_THE_INBOX = {"demo", "inbox", "preview"}  # their extra brings that of the command line along


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments (those of the process by default) spell; return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without a tick is no reason to fail
    try:
        import click
        import rich  # noqa: F401  # asked for here, so that the answer is one line
    except ModuleNotFoundError as error:
        given = sys.argv[1:] if arguments is None else arguments
        extra = "inbox" if _OF_THE_INBOX.intersection(given[:1]) else "cli"
        sys.stderr.write(
            f"modernmail: the command line needs {error.name}: pip install 'modernmail[{extra}]'\n"
        )
        return _USAGE
    from .terminal import complain, complain_of_output, complain_of_usage, warn

    # What the library logs about a mail, the commands show themselves.
    logging.getLogger("modernmail").addHandler(logging.NullHandler())
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: warn(str(message))
            return _run(arguments)
    except click.ClickException as error:
        complain_of_usage(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted")
        return _INTERRUPTED
    except (InvalidValue, ConfigurationError) as error:
        complain(str(error))
        return _USAGE
    except MailError as error:
        complain(str(error), receipt=error.receipt if isinstance(error, DeliveryError) else None)
        return _NOT_SENT
    except OSError as error:
        complain_of_output(error)
        return _NOT_SENT


def _run(arguments: Sequence[str] | None) -> int:
    from .app import app

    given = None if arguments is None else list(arguments)
    code = app.main(given, prog_name="modernmail", standalone_mode=False)
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
