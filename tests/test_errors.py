"""The tree of errors, what each one carries, and what none of them shows."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from modernmail import Reply, errors
from modernmail.errors import DeliveryError, InvalidValue, MailError

EVERY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, MailError)]
DELIVERY = ["ConnectFailed", "SecurityFailed", "AuthenticationFailed", "SenderRefused", "RecipientsRefused",
            "ContentRefused", "OutcomeUnknown"]  # fmt: skip


def test_one_tree() -> None:
    """Whatever is raised is a `MailError`; what was passed wrongly is a `ValueError` too."""
    for name in DELIVERY:
        assert issubclass(getattr(errors, name), errors.DeliveryError)
    for name in ("InvalidAddress", "InvalidHeader", "InvalidAttachment", "InvalidMessage"):
        assert issubclass(getattr(errors, name), ValueError)
        assert issubclass(getattr(errors, name), InvalidValue)
    assert issubclass(errors.ConfigurationError, MailError)
    assert not issubclass(errors.ConfigurationError, (DeliveryError, ValueError))


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Each error stands in the drawing at the head of the module."""
    assert errors.__doc__ is not None
    for kind in EVERY:
        assert kind.__name__ in errors.__doc__
        assert kind.__doc__


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_can_be_copied_and_pickled(kind: type[MailError]) -> None:
    """Errors cross processes with their words and their values."""
    if issubclass(kind, InvalidValue):
        error: MailError = kind("to", "a@", "the domain is missing")
    elif issubclass(kind, DeliveryError):
        error = kind(
            "no", reply=Reply(450, ["4.2.1 later"]), is_transient=True, conversation=("> MAIL", "< 450")
        )
    else:
        error = kind("no")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert str(again) == str(error)
        assert vars(again) == vars(error)


@pytest.mark.parametrize(
    "value", [len, lambda: 1, (character for character in "x"), object(), [object()], {"a": open}]
)
def test_a_value_that_cannot_cross_goes_as_words(value: object) -> None:
    """What a file or a function was passed for is told in another process too, in the same words."""
    error = errors.InvalidMessage("message", value, "must be a Message")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.argument, again.reason) == (str(error), "message", "must be a Message")
    assert again.value == errors.shown(value)
    assert copy.copy(error).value is value
    plain = errors.InvalidMessage("to", [("a", 1, None), {"b": b"c"}], "is wrong")
    assert vars(pickle.loads(pickle.dumps(plain))) == vars(plain)


def test_an_invalid_value_says_which_and_why() -> None:
    """Argument, value, reason; the argument can be renamed to what the caller wrote."""
    error = errors.InvalidAddress("address", "a@", "the domain is missing")
    assert (error.argument, error.value, error.reason) == ("address", "a@", "the domain is missing")
    renamed = error.within("to[1]")
    assert type(renamed) is errors.InvalidAddress
    assert str(renamed) == "to[1]: 'a@': the domain is missing"


@pytest.mark.parametrize("value", ["x" * 10_000, b"x" * 10_000, ["x" * 100] * 100])
def test_a_long_value_is_cut(value: object) -> None:
    """An error is a line, not a page; the value itself is kept whole."""
    error = errors.InvalidMessage("text", value, "is wrong")
    assert len(str(error)) < 250
    assert " … " in str(error)
    assert error.value is value


def test_a_delivery_error_without_more() -> None:
    """Nothing is known but the words: not transient, no reply, no receipt."""
    error = DeliveryError("no")
    assert (error.receipt, error.reply, error.is_transient, error.conversation) == (None, None, False, ())
