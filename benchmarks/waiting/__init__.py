"""What `benchmarks/latency.py` measures with: a proxy that makes a server distant, and counts how often one waits for it."""
