"""A test run that is killed leaves nothing running."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from .keeper import PROC, RUN, of_run
from .process import wait_until
from .programs import require

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not (PROC / "self" / "environ").exists(), reason="processes are found in /proc"),
]

TESTS = Path(__file__).parent.parent
PLUGINS = ("keeper", "certificates", "dovecot", "postfix", "postgres", "redis", "sink")
SERVERS = "postfix_tls, postgres, redis, smtp_sink"
STAY = f"""
import os, subprocess, time

def test_stays({SERVERS}):
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    print("\\nrun", os.environ["{RUN}"], flush=True)
    time.sleep(600)
"""


def test_a_killed_run_leaves_nothing(tmp_path: Path) -> None:
    """Servers in the foreground, daemons that clean their environment, a child in a session of its own: all end, and their
    folders go."""
    for program in ("postfix", "dovecot", "postgres", "redis-server"):
        require(program, install=".ci/services", root=True)
    (tmp_path / "test_stay.py").write_text(STAY)
    plugins = [word for name in PLUGINS for word in ("-p", f"services.{name}")]
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-s",
        "-c",
        os.devnull,
        "--rootdir",
        str(tmp_path),
        *plugins,
        str(tmp_path),
    ]
    environment = {name: value for name, value in os.environ.items() if name != RUN}
    with subprocess.Popen(
        words, env={**environment, "PYTHONPATH": str(TESTS)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as pytest_run:  # fmt: skip
        assert pytest_run.stdout is not None
        said = ""
        while not (found := re.search(r"run ([0-9a-f]{12})", said)):
            line = pytest_run.stdout.readline()
            assert line, said
            said += line
        run = found[1]
        folders = list(Path(tempfile.gettempdir()).glob(f"modernmail-{run}-*"))
        assert len(folders) == 6
        names = " ".join((PROC / str(pid) / "comm").read_text() for pid in of_run(run))
        for name in ("master", "dovecot", "postgres", "redis-server", "smtp-sink", "sleep"):
            assert name in names
        pytest_run.send_signal(signal.SIGKILL)
    wait_until(lambda: not of_run(run), "nothing of the run is left", timeout=15)
    wait_until(lambda: not any(folder.exists() for folder in folders), "its folders are gone")
