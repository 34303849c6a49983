"""The fixtures of Redis, PostgreSQL and RabbitMQ do what the tests that use them count on."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from .programs import find

if TYPE_CHECKING:
    from .postgres import Postgres
    from .rabbitmq import RabbitMQ
    from .redis import Redis


def test_redis_keeps_and_forgets(redis: Redis) -> None:
    """Redis answers, and is empty for each test."""
    assert redis.command("DBSIZE") == b":0"
    assert redis.command("SET", "key", "välue") == b"+OK"
    assert redis.command("STRLEN", "key") == b":6"


def test_redis_is_empty_again(redis: Redis) -> None:
    """What an earlier test stored is gone."""
    assert redis.command("EXISTS", "key") == b":0"


def test_postgres_gives_new_databases(postgres: Postgres, postgres_url: str) -> None:
    """Each address is a database without tables."""
    psql = find("psql")
    assert psql is not None
    assert postgres.new_database() != postgres_url
    sql = "CREATE TABLE t (n int); SELECT count(*) FROM t"
    command = [str(psql), "--no-psqlrc", "--tuples-only", "--command", sql, postgres_url]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.split()[-1] == "0"


def test_rabbitmq_gives_new_virtual_hosts(rabbitmq: RabbitMQ, rabbitmq_url: str) -> None:
    """Each address is a virtual host without queues."""
    host = rabbitmq_url.rpartition("/")[2]
    assert host in rabbitmq.control("list_vhosts")
    assert rabbitmq.control("list_queues", "--vhost", host, "name").split() in ([], ["name"])
