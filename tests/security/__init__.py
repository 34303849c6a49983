"""What SMTP never does: send a password or a mail in clear, trust a wrong certificate, or let an argument be a command.

The judge is always the wire: what a relay between client and server, or the server itself, recorded.
"""
