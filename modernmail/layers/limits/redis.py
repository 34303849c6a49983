"""`RedisLimits`: tokens that machines share (extra `redis`)."""

from __future__ import annotations

from ...errors import ConfigurationError, StoreUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .bucket import Limit

# `taken` once more, run by the server in one step and by its clock.
_SCRIPT = """
local rate, capacity, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local known = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = capacity
if known[1] then
    tokens = math.min(capacity, tonumber(known[1]) + math.max(0, now - tonumber(known[2])) * rate)
end
local need, wait = math.min(cost, capacity), 0
if tokens >= need then
    tokens = tokens - cost
else
    wait = (need - tokens) / rate
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', tokens), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((capacity - tokens) / rate * 1000) + 60000)
return string.format('%.9f', wait)
"""
_TIMEOUT = 5.0  # seconds for connecting, and for an answer


class RedisLimits:
    """Tokens in the Redis at `url` (`redis://host:6379/0`, `rediss://…`); every key begins with `prefix`.

    Every machine that names the same bucket shares its rate, by the clock of the server. Raises `ConfigurationError` for a
    URL that is none, and when the package `redis` is not installed; `StoreUnavailable` when the server cannot be reached.
    """

    is_local = False

    def __init__(self, url: str, *, prefix: str = "modernmail:limit:") -> None:
        try:
            import redis
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "limits in Redis need the package redis: pip install 'modernmail[redis]'"
            ) from error
        try:
            self._client: Any = redis.Redis.from_url(
                url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT
            )
        except ValueError:
            raise ConfigurationError(
                "the URL of a Redis is redis://host:6379/0 or rediss://…; what was given is neither"
            ) from None
        where = self._client.connection_pool.connection_kwargs
        self._where = f"{where.get('host', where.get('path', 'localhost'))}:{where.get('port', 6379)}"
        self._errors: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        self._script: Any = self._client.register_script(_SCRIPT)
        self._prefix = prefix

    def take(self, name: str, limit: Limit, cost: int) -> float:
        """Take tokens, or return the seconds until they are there."""
        try:
            return float(self._script(keys=[self._prefix + name], args=[limit.rate, limit.capacity, cost]))
        except self._errors as error:
            raise StoreUnavailable(
                f"the Redis at {self._where} cannot be asked: {type(error).__name__}: {error}",
                is_transient=True,
            ) from error

    def close(self) -> None:
        """Close the connections; the next use opens another."""
        self._client.close()

    def __repr__(self) -> str:
        return f"<RedisLimits {self._where}>"
