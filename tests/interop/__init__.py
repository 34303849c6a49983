"""Many mails through real servers: what arrives is what was sent, once for each recipient."""
