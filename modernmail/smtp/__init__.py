"""The SMTP conversation: pure grammar, choreography over a wire, and the two kinds of wire."""
