"""The sample mails of `modernmail demo`, with a picture and a document that are made here."""

from __future__ import annotations

import struct
import zlib

from modernmail.message import Message

SENDER = "Shop <shop@example.com>"
NOBODY = "nobody@example.com"
"""The recipient whom the demo's inbox turns away."""

_ENVELOPE = (
    "................................",
    ".##############################.",
    ".###........................###.",
    ".##.##....................##.##.",
    ".##...##................##...##.",
    ".##.....##............##.....##.",
    ".##.......##........##.......##.",
    ".##.........##....##.........##.",
    ".##...........####...........##.",
    ".##..........................##.",
    ".##..........................##.",
    ".##..........................##.",
    ".##..........................##.",
    ".##..........................##.",
    ".##############################.",
    "................................",
)  # fmt: skip
_INK, _PAPER = b"\x1f\x6f\xeb", b"\xff\xff\xff"
_SCALE = 4  # pixels for each dot

_HTML = """\
<!doctype html>
<html lang="en">
<body style="font-family: sans-serif; max-width: 36em; margin: auto">
  <p><img src="cid:logo" width="64" height="32" alt="An envelope"></p>
  <h1 style="font-size: 1.3em">Your order is on its way, Zoë</h1>
  <p>The invoice is attached. <a href="https://shop.example.com/orders/42">Follow your order</a>.</p>
</body>
</html>
"""


def sample_messages() -> list[Message]:
    """Return the three: plain text; HTML with an inline picture and a PDF; one to several people, one of them unknown."""
    plain = Message(
        "Hello from modernmail",
        "Hello Zoë,\n\nthis mail came by real SMTP.\n",
        from_email=SENDER,
        to=["Zoë <zoe@example.com>"],
    )
    rich = (
        Message(
            "Rechnung 42 – naïve café ☕",
            "Your order is on its way, Zoë. The invoice is attached.\n\nhttps://shop.example.com/orders/42\n",
            _HTML,
            from_email=SENDER,
            to=["Zoë <zoe@example.com>"],
            reply_to="orders@example.com",
        )
        .embed("logo", picture(), "image/png")
        .attach("invoice-42.pdf", document("Invoice 42: one cup of coffee, 2.40"), "application/pdf")
    )
    several = Message(
        "Meeting at ten",
        "The small room, bring your own cup.\n",
        from_email=SENDER,
        to=["ann@example.com", "Bob <bob@example.com>", NOBODY],
        bcc=["archive@example.com"],
    )
    return [plain, rich, several]


def picture() -> bytes:
    """Return an envelope as a PNG (W3C PNG 5: signature, IHDR, IDAT, IEND)."""
    rows = bytearray()
    for line in _ENVELOPE:
        row = b"\0" + b"".join((_INK if dot == "#" else _PAPER) * _SCALE for dot in line)
        rows += row * _SCALE
    width, height = len(_ENVELOPE[0]) * _SCALE, len(_ENVELOPE) * _SCALE
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def document(line: str) -> bytes:
    """Return a PDF of one page with one line of ASCII text (ISO 32000 7.5: objects, cross-reference table, trailer)."""
    text = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    page = f"BT /F1 18 Tf 40 90 Td ({text}) Tj ET".encode("ascii")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 420 160] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for place in places:
        out += b"%010d 00000 n \n" % place
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)
