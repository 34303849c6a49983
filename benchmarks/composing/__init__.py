"""What `benchmarks/compose.py` measures: the mails, those who compose them, and the judge of what they wrote."""
