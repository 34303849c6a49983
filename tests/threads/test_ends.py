"""The end of the program while threads of it go on."""

from __future__ import annotations

import subprocess
import sys

LATE = """
import sys, threading, time
sys.path.insert(0, {tests!r})
import chores
from modernmail.tasks import task, task_backends
from modernmail.errors import QueueUnavailable

@task
def say(what):
    time.sleep(0.2)
    print(what, flush=True)

first, second = task_backends["thread:"], task_backends["thread:?workers=2"]
enqueue = lambda backend, what: backend.enqueue(say, (what,), {{}})

def after_all_others_have_drained():
    while any(thread.name == "modernmail-keeper" for thread in threading.enumerate()):
        time.sleep(0.01)
    try:
        enqueue(second, "late")
    except QueueUnavailable as error:  # Python 3.12.0 and 3.12.1 start no thread once the main one has ended
        print("late" if "the program ends" in str(error) else error, flush=True)

enqueue(first, "first")
threading.Thread(target=after_all_others_have_drained).start()
"""


def test_what_a_thread_enqueues_after_the_main_thread_has_ended() -> None:
    """It is done, or refused by an error; it is not dropped without a word when that thread ends, too."""
    program = LATE.format(tests=str(__file__).rpartition("/threads/")[0])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["first", "late"], done.stderr
    assert done.returncode == 0
