"""What a spam filter thinks of the form of our mail: SpamAssassin, with its local rules alone."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from services.programs import require

from modernmail import Mailer, Message
from modernmail.layers import DKIM
from modernmail.layers.dkim.keys import new_key
from modernmail.unsubscribe import UnsubscribeLinks

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once

# It was handed over here, not by a server, and has HTML: that is no fault.
EXPECTED = {"NO_RECEIVED", "NO_RELAYS", "HTML_MESSAGE"}
WORDS = "your order was sent today and should arrive on Friday. It has three parts, and the last follows on Monday."
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


def letters() -> dict[str, Message]:
    """Return what a shop sends: an order, and a newsletter with everything."""
    # As many words as a newsletter has: a picture with few is what spam looks like.
    html = f"<html><body><p>Dear Zoë,</p>{f'<p>{WORDS}</p>' * 30}{{}}<p>Kind regards<br>The shop</p></body></html>"
    order = Message(
        "Your order 42 is on its way",
        f"Dear Zoe,\n\n{WORDS}\n\nKind regards\nThe shop\n",
        from_email="Shop <shop@example.com>",
        to="Zoe <zoe@example.com>",
    )
    news = Message(
        "Grüße aus dem Laden: Neues im Herbst",
        f"Dear Zoë,\n\n{f'{WORDS} ' * 30}\n\nKind regards\nThe shop\n",
        html.format("<img src='cid:logo' alt='The shop' width='100' height='100'>"),
        from_email="Der Laden <news@example.com>",
        to='"Zoë, die Käuferin" <zoe@example.com>',
        reply_to="help@example.com",
    )
    news.embed("logo", PNG, "image/png").attach("Übersicht.csv", "a,b\n1,2\n", "text/csv")
    news.unsubscribe(
        UnsubscribeLinks("https://example.com/leave", "a secret of this test"), "leave@example.com"
    )
    return {"an order": order, "a newsletter": news}


@pytest.mark.parametrize("name", ["an order", "a newsletter"])
def test_signed_mail_has_nothing_against_it(name: str, tmp_path: Path) -> None:
    """No rule about headers, encodings, MIME or HTML speaks against a signed mail of ours."""
    program = require("spamassassin", install="apt-get install spamassassin")
    mailer = Mailer("memory:", layers=[DKIM("example.com", "mail", new_key())])
    mailer.send(letters()[name])
    done = subprocess.run(
        [program, "--local", "--test-mode", f"--prefspath={tmp_path / 'preferences'}"],
        input=bytes(mailer.backend.outbox[0].content),  # type: ignore[attr-defined]
        capture_output=True,
        env={**os.environ, "HOME": str(tmp_path)},
        timeout=120,
        check=True,
    )
    report = done.stdout.decode("utf-8", "replace").rpartition("Content analysis details:")[2]
    score = re.search(r"\((-?[\d.]+) points", report)
    assert score, done.stderr
    found = set(re.findall(r"^ *-?\d+\.\d ([A-Z0-9_]+) ", report, re.MULTILINE))
    assert found <= EXPECTED, report
    assert float(score[1]) < 0.5
