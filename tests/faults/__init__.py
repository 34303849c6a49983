"""The corpus of faults: its rows, how one is played against a mailer, and how what came of it is judged."""
