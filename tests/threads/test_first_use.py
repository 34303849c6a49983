"""The first use of a part of the library by two threads at once: neither finds the other's half-made modules."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys, threading
from importlib.machinery import PathFinder
import modernmail
from modernmail import Message

mail = Message("Hi", "Text", from_email="me@example.com", to="you@example.com")
failed = []

def beside():
    try:
        {act}
    except BaseException as error:
        failed.append(error)

other = threading.Thread(target=beside)
home = threading.get_ident()

class Midst:
    "Lets the other thread begin when this one is about to make the package, which nobody finds in sys.modules yet."
    def find_spec(self, name, path=None, target=None):
        if name != {package!r} or threading.get_ident() != home:
            return None
        spec = PathFinder.find_spec(name, path)
        spec.loader.create_module = self.create
        return spec

    def create(self, spec):
        other.start()
        other.join(0.5)  # then it waits for this thread, or is done

sys.meta_path.insert(0, Midst())
exec({first!r})
other.join(20)
assert not other.is_alive()
if failed:
    raise failed[0]
"""


@pytest.mark.parametrize(
    ("package", "first", "act"),
    [
        (
            "modernmail.tasks",
            "from modernmail.tasks import task",
            "try: mail.enqueue(backend='dummy:')\n        except modernmail.errors.ConfigurationError: pass",
        ),
        (
            "modernmail.reading",
            "from modernmail.reading import read",
            "Message.from_bytes(b'To: a@b.example\\n\\nx')",
        ),
        (
            "modernmail.reading",
            "Message.from_bytes(b'To: a@b.example\\n\\nx')",
            "Message(html='<p>Hi').text_from_html()",
        ),
        (
            "modernmail.unsubscribe",
            "from modernmail.unsubscribe import UnsubscribeLinks",
            "mail.unsubscribe('https://example.com/u')",
        ),
    ],
)
def test_two_threads_begin_to_use_a_package(package: str, first: str, act: str) -> None:
    """One waits for what the other imports, and gets all of it."""
    program = PROGRAM.format(package=package, first=first, act=act)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


TABLE = """
import mimetypes, threading
from modernmail import Attachment

found = []

class Lenient(dict):
    "Lets another thread guess while this one is about to take this second table."
    def __iter__(self):
        return iter(self.keys())

    def keys(self):
        if not found:
            found.append(None)
            other = threading.Thread(target=lambda: found.append(Attachment("letter.rtf", b"x").media_type))
            other.start()
            other.join(10)
        return super().keys()

class Types(mimetypes.MimeTypes):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        lenient, strict = self.types_map
        self.types_map = (Lenient({**lenient, ".rtf": "application/rtf"}), {k: v for k, v in strict.items() if k != ".rtf"})

mimetypes.MimeTypes = Types
Attachment("letter.rtf", b"x")
assert found == [None, "application/rtf"], found
"""


def test_two_threads_guess_the_first_media_type() -> None:
    """Both get the one of the whole table: none looks into it while the other fills it."""
    done = subprocess.run(
        [sys.executable, "-c", TABLE], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
