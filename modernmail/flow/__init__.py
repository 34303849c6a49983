"""How mail flows: messages in, receipts out, the layers' hooks in between; `Flow` is one sending."""
