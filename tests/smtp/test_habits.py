"""How real servers speak: what becomes of a mail there, and what an error says, for every habit of the corpus.

By default a conversation runs once sync and once async, pipelining and delivery taking turns; `nox -s faults` runs each in
every mode.
"""

from __future__ import annotations

import pytest
from faults.habit import habits, wrong
from faults.play import Mode, modes_of, play

HABITS = habits()
DELIVERIES = ("whole", "line", "byte")


def case(habit, mode):
    """Return a habit in a mode as a parameter."""
    return pytest.param((habit, mode), id=f"{habit.name}-{mode}".replace(" ", "-"))


def representative():
    """Yield each habit once sync and once async; pipelining, delivery and stream take turns."""
    for index, habit in enumerate(HABITS):
        for turn, face in ((index, "sync"), (index + 1, "async")):
            is_many = len(habit.row.sends) > 1 and turn % 4 < 2 and f"{face}-many" in habit.row.faces
            yield case(habit, Mode(f"{face}-many" if is_many else face, turn % 2 == 0, DELIVERIES[turn % 3]))


def everything():
    """Yield each habit in every mode that means something for it."""
    for habit in HABITS:
        for mode in modes_of(habit.row):
            yield case(habit, mode)


def judge(habit, mode):
    """Fail with all that is wrong, and with the conversation."""
    played = play(habit.row, mode)
    faults = wrong(habit, played)
    assert not faults, f"{habit.name} [{mode}]:\n" + "\n".join(faults) + "\n" + played.transcript()


def test_each_conversation_has_a_name_of_its_own():
    """No two are called alike, and there are many."""
    names = [habit.name for habit in HABITS]
    assert len(set(names)) == len(names) >= 80


@pytest.mark.parametrize("case", list(representative()))
def test_a_server_as_people_have_it(case):
    """Each recipient's status, the error and its words, the logins tried and what was sent are right."""
    judge(*case)


@pytest.mark.faults
@pytest.mark.parametrize("case", list(everything()))
def test_a_server_as_people_have_it_in_every_mode(case):
    """The same for every conversation in every mode."""
    judge(*case)
