"""One session: reads the client's commands, asks the script, then the protocol, and plays what they say.

Called by the server, in a thread of its own for each client. Rules of the file: a step is entered
(recorded) before it is answered, and accepted before its reply is sent, so that whoever has read a 250
finds the mail in the log.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from dataclasses import dataclass

from modernmail.errors import ConfigurationError

from .authentication import MECHANISMS
from .channel import SessionOver
from .protocol import Answer
from .script import STEPS
from .strictness import command_faults, content_faults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .record import Step
    from .scene import Scene
    from .script import Action, Rule

_VERBS = STEPS - {"ANY", "AUTHDATA", "BDAT", "BODY", "CONNECT", "TLS", "UNKNOWN"}
_BDAT = re.compile(rb"(?i)BDAT ([0-9]{1,15})( LAST)? *")


@dataclass(slots=True)
class Turn:
    """A step being played: its record, the good answer, and whether the server took it (None: undecided)."""

    step: Step
    answer: Answer
    accepted: bool | None = None
    code: int = 0


class Conversation:
    """The server's side of one session."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._channel = scene.channel
        self._session = scene.session
        self._protocol = scene.protocol
        self._in_auth = False  # a scripted 334 was said: the next line is no command

    def run(self) -> None:
        """Play the session to its end; the end is in the record."""
        try:
            if self._scene.stage.implicit_tls:
                self._start_tls(keep_plaintext=False)
            self._play("CONNECT", b"")
            while True:
                self._command(self._channel.read_line())
        except SessionOver as over:
            with self._scene.stage.ledger:
                self._session.end = over.end
                self._session.received = self._channel.received
                self._session.sent = self._channel.sent

    # -- what the client says

    def _command(self, line: bytes) -> None:
        if self._in_auth:
            self._in_auth = False
            self._play("AUTHDATA", line)
            return
        verb = line.split(maxsplit=1)[0].upper().decode("ascii", "replace") if line.strip() else ""
        more = bool(self._channel.pending)
        pipelining = self._scene.stage.offer.has("PIPELINING")
        self._session.violations += command_faults(verb, line, followed=more, pipelining=pipelining)
        if (chunk := _BDAT.fullmatch(line.rstrip(b"\r\n"))) is not None:
            self._chunk(line, int(chunk[1]), last=chunk[2] is not None)
        else:
            self._play(verb if verb in _VERBS else "UNKNOWN", line)

    def _chunk(self, line: bytes, size: int, *, last: bool) -> None:
        step = self._scene.enter("BDAT", line)
        data = self._channel.read_exactly(size)  # RFC 3030 2: the octets follow, whatever the answer will be
        transaction = self._protocol.transaction
        if transaction is not None:
            transaction.raw += data
            transaction.chunked = True
            transaction.complete = last
        rule = self._scene.rule("BDAT", line)
        if rule is None and last:
            self._scene.counts["BODY"] += 1
            rule = self._scene.rule("BODY", line)
        self._act(Turn(step, self._protocol.answer("BDAT", line.rstrip(b"\r\n"))), rule)
        if last:
            self._protocol.reset()

    def _content(self) -> None:
        transaction = self._protocol.transaction
        try:
            raw = self._channel.read_content()
        except SessionOver:
            if transaction is not None:
                transaction.raw = bytes(self._channel.pending)
            raise
        if transaction is not None:
            transaction.raw, transaction.complete = raw, True
            parameters = transaction.parameters
            eight_bit = parameters.get("BODY", "").upper() == "8BITMIME"
            self._session.violations += content_faults(
                raw, eight_bit=eight_bit, smtputf8="SMTPUTF8" in parameters
            )
        self._play("BODY", b".\r\n")
        self._protocol.reset()

    # -- what the server does

    def _play(self, name: str, line: bytes) -> None:
        step = self._scene.enter(name, line)
        self._act(Turn(step, self._protocol.answer(name, line.rstrip(b"\r\n"))), self._scene.rule(name, line))

    def _act(self, turn: Turn, rule: Rule | None) -> None:
        if rule is None:
            self._proceed(turn)
            return
        if rule.accept is not None:
            self._settle(turn, accepted=rule.accept)
        for action in rule.do:
            self._do(action, turn)
        if not any(action.kind == "default" for action in rule.do):
            self._follow(turn)

    def _do(self, action: Action, turn: Turn) -> None:
        scene = self._scene
        match action.kind:
            case "reply" | "raw":
                self._say(turn, action.data)
            case "sleep":
                scene.pause(action.seconds)
            case "drip":
                self._judge(turn, action.data)
                turn.step.note(action.data)
                for byte in action.data:
                    scene.pause(action.seconds)
                    self._channel.send_now(bytes((byte,)))
            case "flood":
                self._flood(turn, action)
            case "read":
                self._session.ignored += self._channel.read_exactly(action.size)
            case "hang":
                scene.leave(scene.drain())
            case "stall":
                self._channel.pause(float("inf"))
            case "close":
                scene.close("closed")
            case "rst":
                self._channel.reset()
                scene.leave("rst")
            case "commit":
                scene.commit()
            case "tls":
                self._start_tls(keep_plaintext=action.name == "keep")
            case "hold":
                scene.hold(action.name)
            case _:  # "default": script.py makes no other
                self._proceed(turn)

    def _proceed(self, turn: Turn) -> None:
        """Do what a good server does."""
        if turn.answer.then == "handshake":
            self._handshake()
        elif turn.answer.then == "auth":
            self._authenticate(turn)
        else:
            self._say(turn, turn.answer.reply.encode() + b"\r\n")
            if turn.answer.then == "tls":
                self._start_tls(keep_plaintext=False)
            self._follow(turn)

    def _follow(self, turn: Turn) -> None:
        """Go where the step leads, once it is answered."""
        if turn.step.name in {"AUTH", "AUTHDATA"} and turn.code == 334:
            self._in_auth = True
        elif turn.accepted and turn.answer.then == "content":
            self._content()
        elif turn.accepted and turn.answer.then == "quit":
            self._scene.close("quit")

    def _say(self, turn: Turn, data: bytes) -> None:
        self._judge(turn, data)
        self._scene.say(turn.step, data)

    def _judge(self, turn: Turn, data: bytes) -> None:
        """Let the step's first reply decide whether the server took it."""
        if not turn.code and data[:3].isdigit():
            turn.code = int(data[:3])
            if turn.accepted is None:
                positive = turn.code == 354 if turn.step.name == "DATA" else 200 <= turn.code < 300
                self._settle(turn, accepted=positive)

    def _settle(self, turn: Turn, *, accepted: bool) -> None:
        turn.accepted = accepted
        with self._scene.stage.ledger:
            if accepted:
                turn.answer.effect()
            elif turn.step.name == "RCPT":
                self._protocol.refuse_recipient(turn.step.line.rstrip(b"\r\n"))
        transaction = self._protocol.transaction
        if accepted and transaction and transaction.complete and turn.step.name in {"BODY", "BDAT"}:
            self._scene.commit()

    def _flood(self, turn: Turn, action: Action) -> None:
        self._judge(turn, action.data)
        self._channel.flush()
        block = action.data * max(1, 65536 // len(action.data))
        turn.step.note(block)
        left = action.size
        while left > 0:
            self._channel.send_now(block[:left])
            left -= len(block)

    # -- TLS and AUTH

    def _start_tls(self, *, keep_plaintext: bool) -> None:
        if not keep_plaintext:
            self._session.discarded += self._channel.discard()
        self._act(Turn(self._scene.enter("TLS"), Answer("", then="handshake")), self._scene.rule("TLS"))

    def _handshake(self) -> None:
        context = self._scene.stage.context
        if context is None:
            raise ConfigurationError("the script starts TLS, but the server has none: give it tls='starttls'")
        try:
            version = self._channel.start_tls(context)
        except ssl.SSLError as error:
            self._session.tls_error = str(error)
            self._scene.close("tls")
        with self._scene.stage.ledger:
            self._session.tls, self._session.user = version, None
        self._protocol.start_tls()

    def _authenticate(self, turn: Turn) -> None:
        scene, step = self._scene, turn.step
        _, mechanism, *initial = step.line.split()
        try:
            first = _decoded(initial[0]) if initial else None
            dialogue = MECHANISMS[mechanism.decode().upper()](first, scene.stage.offer.credentials)
            challenge = next(dialogue)
            while True:
                scene.say(step, b"334 " + base64.b64encode(challenge) + b"\r\n")
                line = self._channel.read_line()
                step = scene.enter("AUTHDATA", line)
                if (rule := scene.rule("AUTHDATA", line)) is not None:
                    self._act(Turn(step, Answer("535 5.7.8 authentication failed", turn.answer.effect)), rule)
                    return
                if line.strip() == b"*":  # RFC 4954 4: the client gives up
                    scene.say(step, b"501 5.7.0 cancelled\r\n")
                    return
                challenge = dialogue.send(_decoded(line.strip()))
        except binascii.Error:
            scene.say(step, b"501 5.5.2 base64 is expected\r\n")
        except StopIteration as finished:
            if finished.value is None:
                scene.say(step, b"535 5.7.8 authentication failed\r\n")
                return
            with scene.stage.ledger:
                self._session.user = finished.value
            scene.say(step, b"235 2.7.0 welcome\r\n")


def _decoded(word: bytes) -> bytes:
    # RFC 4954 4: "=" is an initial response of no bytes
    return b"" if word == b"=" else base64.b64decode(word, validate=True)
