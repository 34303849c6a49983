"""What `benchmarks/send.py` measures: the sink, those who send to it, and the memory they take."""
