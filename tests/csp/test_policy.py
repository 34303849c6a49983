"""Policies: Django's rules as documented, and the mistakes that Django lets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modernmail.csp import CSP, DIRECTIVES, LazyNonce, Policy, build_policy
from modernmail.errors import InvalidPolicy


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ""),
        ({"default-src": [CSP.SELF]}, "default-src 'self'"),
        ({"default-src": CSP.SELF}, "default-src 'self'"),
        ({"default-src": (CSP.SELF, "https:")}, "default-src 'self' https:"),
        ({"img-src": ["data:", CSP.SELF, "https://images.example.com"]},
         "img-src data: 'self' https://images.example.com"),
        ({"img-src": {"https:", CSP.SELF, "data:"}}, "img-src 'self' data: https:"),
        ({"img-src": frozenset({"https:", "data:"})}, "img-src data: https:"),
        ({"default-src": None, "img-src": CSP.SELF}, "img-src 'self'"),
        ({"default-src": False}, ""),
        ({"default-src": []}, ""),
        ({"upgrade-insecure-requests": True}, "upgrade-insecure-requests"),
        ({"sandbox": True}, "sandbox"),
        ({"sandbox": ["allow-forms", "allow-scripts"]}, "sandbox allow-forms allow-scripts"),
        ({"default-src": [CSP.SELF], "report-uri": "/path/to/reports-endpoint/"},
         "default-src 'self'; report-uri /path/to/reports-endpoint/"),
        ({"script-src": [CSP.SELF, CSP.NONCE], "style-src": [CSP.SELF, CSP.UNSAFE_INLINE]},
         "script-src 'self'; style-src 'self' 'unsafe-inline'"),
        ({"script-src": [CSP.NONCE]}, ""),
        ({"script-src": CSP.NONCE}, ""),
        ({"script-src": [CSP.STRICT_DYNAMIC, CSP.UNSAFE_EVAL, CSP.WASM_UNSAFE_EVAL, CSP.UNSAFE_HASHES]},
         "script-src 'strict-dynamic' 'unsafe-eval' 'wasm-unsafe-eval' 'unsafe-hashes'"),
        ({"script-src": [CSP.REPORT_SAMPLE, "'sha256-AbC+/09='", "'nonce-fixed_-'"]},
         "script-src 'report-sample' 'sha256-AbC+/09=' 'nonce-fixed_-'"),
        ({"require-trusted-types-for": "'script'", "trusted-types": ["app", "'allow-duplicates'"]},
         "require-trusted-types-for 'script'; trusted-types app 'allow-duplicates'"),
        ({"connect-src": ["wss://*.example.com:*", "http://[::1]:8000"]},
         "connect-src wss://*.example.com:* http://[::1]:8000"),
    ],
)  # fmt: skip
def test_documented_rules(config: dict[str, object], expected: str) -> None:
    """Strings, lists, tuples, sorted sets, None, False, True and an unused nonce give Django's text."""
    assert build_policy(config) == expected


@pytest.mark.parametrize("nonce", ["abc123", LazyNonce()])
def test_a_nonce_takes_its_place(nonce: LazyNonce | str) -> None:
    """A given nonce, or a lazy one that was used, stands where CSP.NONCE was, in every directive."""
    text = str(nonce)
    config = {"script-src": [CSP.SELF, CSP.NONCE], "style-src": CSP.NONCE, "img-src": CSP.SELF}
    expected = f"script-src 'self' 'nonce-{text}'; style-src 'nonce-{text}'; img-src 'self'"
    assert build_policy(config, nonce) == expected


def test_a_lazy_nonce_is_made_on_use() -> None:
    """A nonce nobody used is false and vanishes from the policy; used, it stays the same."""
    nonce, other = LazyNonce(), LazyNonce()
    assert not nonce
    assert build_policy({"script-src": [CSP.SELF, CSP.NONCE]}, nonce) == "script-src 'self'"
    assert repr(nonce) == "<LazyNonce not used>"
    assert f"{nonce:>30}".strip() == str(nonce) == nonce.__html__()
    assert nonce
    assert nonce != other
    assert nonce == str(nonce)
    assert hash(nonce) == hash(str(nonce))
    assert nonce != 3
    assert str(nonce) not in repr(nonce)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"script_src": CSP.SELF}, "directive: 'script_src': unknown; did you mean 'script-src'"),
        ({"Script-Src": CSP.SELF}, "unknown; did you mean 'script-src'"),
        ({"default-src 'self'; script-src": "*"}, "directive: .*: unknown"),
        ({"zzz": True}, "directive: 'zzz': unknown; there are base-uri, "),
        ({"img-src": "'self' https:"}, "img-src: .*: a space separates values: pass a list"),
        ({"img-src": ["a.example;script-src", "*"]}, "';' cannot be part of a value"),
        ({"img-src": ["a.example,b.example"]}, "',' cannot be part of a value"),
        ({"img-src": ["a.example\r\nSet-Cookie:x"]}, r"'\\r' cannot be part of a value"),
        ({"img-src": ["a.example\n"]}, r"'\\n' cannot be part of a value"),
        ({"img-src": ["a\tb"]}, r"'\\t' cannot be part of a value"),
        ({"img-src": ["a\x00b"]}, r"'\\x00' cannot be part of a value"),
        ({"img-src": ["bücher.example"]}, "'ü' cannot be part of a value"),
        ({"img-src": [""]}, "an empty value; True writes the directive bare"),
        ({"img-src": ["self"]}, "without quotes this is a host; the keyword is \"'self'\""),
        ({"img-src": ["none"]}, "without quotes this is a host"),
        ({"img-src": ["'noone'"]}, "unknown keyword; did you mean \"'none'\""),
        ({"img-src": ["'self"]}, "unknown keyword; did you mean \"'self'\""),
        ({"img-src": ['"self"']}, "keywords stand in single quotes"),
        ({"script-src": ["'sha1-abc'"]}, "unknown keyword"),
        ({"script-src": ["'sha256-'"]}, "unknown keyword"),
        ({"script-src": ["'nonce-a%b'"]}, "unknown keyword"),
        ({"script-src": ["''"]}, "unknown keyword"),
        ({"img-src": [CSP.NONE, "https:"]}, "'none' stands alone"),
        ({"script-src": [CSP.NONE, CSP.NONCE]}, "'none' stands alone"),
        ({"img-src": 3}, "a string, a list, a tuple, a set, True, False or None"),
        ({"img-src": [b"x"]}, "each value is a string"),
        ({"img-src": {"a": "b"}}, "a string, a list, a tuple, a set"),
    ],
)
def test_mistakes_are_refused(config: dict[str, object], reason: str) -> None:
    """What a browser would ignore or read otherwise is an error that names directive, value and cure."""
    with pytest.raises(InvalidPolicy, match=reason):
        build_policy(config)


def test_a_bad_nonce_is_refused() -> None:
    """A nonce cannot close its quotes."""
    with pytest.raises(InvalidPolicy, match=r"^nonce: "):
        build_policy({"script-src": CSP.NONCE}, "a' 'unsafe-inline")


def test_policies_are_values() -> None:
    """Equal configurations make equal policies, whose repr shows the directives."""
    one, two = Policy({"img-src": {CSP.SELF}}), Policy({"img-src": CSP.SELF})
    assert one == two
    assert hash(one) == hash(two)
    assert one != "img-src 'self'"
    assert repr(one) == "Policy({'img-src': (\"'self'\",)})"
    assert Policy.of(one) is one
    assert Policy.of({}) is None
    assert Policy.of(None) is None


_VALUE = st.sampled_from(
    [*(word for word in CSP if "'" in word), CSP.NONCE, "https:", "data:", "*.example.com", "/r"]
)
_VALUES = st.one_of(
    st.none(), st.booleans(), _VALUE, st.lists(_VALUE), st.sets(_VALUE), st.lists(_VALUE).map(tuple)
)
_CONFIG = st.dictionaries(st.sampled_from(sorted(DIRECTIVES)), _VALUES)


@given(_CONFIG, st.sampled_from([None, "", "r4nd0m"]))
def test_what_is_accepted_is_written_as_django_writes_it(
    config: dict[str, object], nonce: str | None
) -> None:
    """Every configuration that is accepted gives the header that Django 6 gives."""
    django = pytest.importorskip("django.utils.csp", reason="pip install 'django>=6' (Python 3.12 or later)")
    try:
        ours = build_policy(config, nonce)
    except InvalidPolicy:
        return
    assert ours == django.build_policy(config, nonce)


def test_the_constants_are_djangos() -> None:
    """Each constant of Django's CSP is here under its name, with its value."""
    django = pytest.importorskip("django.utils.csp", reason="pip install 'django>=6' (Python 3.12 or later)")
    assert {word.name: word.value for word in CSP} == {word.name: word.value for word in django.CSP}
