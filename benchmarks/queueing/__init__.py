"""The parts of `benchmarks/queue.py`: what is enqueued, what drains it, and the peers of both."""
