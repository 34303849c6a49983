"""Where the tokens of a rate limit are kept: in this process, in a SQLite file, in Redis."""
