"""A real SMTP server on 127.0.0.1 that does at each step what a script says, and remembers everything.

For the tests of a mail client, ours and yours::

    from modernmail.testing import Rule, ScriptedSMTPServer

    with ScriptedSMTPServer([Rule("RCPT", nth=2).reply("550 5.1.1 no such user")]) as server:
        ...                                   # send to server.url() with any client
        server.commits                        # what the server took responsibility for

The files: `script` (rules and actions), `protocol` (what a well-behaved server answers; no IO),
`authentication`, `channel` (bytes to and from one client), `conversation` (one session: protocol + script +
channel), `record` (what is remembered), `certificates`, `server`. It shares no code with modernmail's own
SMTP engine, so that it can judge it.
"""

from __future__ import annotations

from .certificates import Authority
from .record import Commit, Session, Step, Transaction
from .script import Action, Rule
from .server import ScriptedSMTPServer

__all__ = ["Action", "Authority", "Commit", "Rule", "ScriptedSMTPServer", "Session", "Step", "Transaction"]
