"""Names of namespaces with typed parameters."""

import time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moongate.errors import ConfigurationError
from moongate.namespace.pattern import Pattern, is_pattern

SOME_UUID = "12345678-1234-5678-1234-567812345678"


@pytest.mark.parametrize(
    ("pattern", "name", "params"),
    [
        ("/rooms/{room}", "/rooms/blue", {"room": "blue"}),
        ("/rooms/{room}", "/rooms/a b,ü", {"room": "a b,ü"}),
        ("/rooms/{room_id:int}", "/rooms/007", {"room_id": 7}),
        ("/at/{lat:float},{lon:float}", "/at/1.5,2", {"lat": 1.5, "lon": 2.0}),
        ("/users/{id:uuid}/feed", f"/users/{SOME_UUID}/feed", {"id": UUID(SOME_UUID)}),
        ("/files/{name:path}", "/files/a/b", {"name": "a/b"}),
        ("/v{major:int}.{minor:int}", "/v1.20", {"major": 1, "minor": 20}),
        ("/{a}/{b}", "/x/y", {"a": "x", "b": "y"}),
        ("/a.b/{c}", "/a.b/c", {"c": "c"}),
    ],
)
def test_a_name_that_matches(pattern: str, name: str, params: dict[str, Any]):
    assert Pattern(pattern).match(name) == params


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("/rooms/{room}", "/rooms/"),
        ("/rooms/{room}", "/rooms/a/b"),
        ("/rooms/{room}", "/rooms/a\n/b"),
        ("/rooms/{room_id:int}", "/rooms/-1"),
        ("/rooms/{room_id:int}", "/rooms/1.0"),
        ("/rooms/{room_id:int}", "/rooms/٣"),
        ("/rooms/{room_id:int}", "/rooms/7\n"),
        ("/rooms/{room_id:int}", "/rooms/{room_id:int}"),
        ("/at/{x:float}", "/at/nan"),
        ("/users/{id:uuid}", f"/users/{SOME_UUID}0"),
        ("/a.b/{c}", "/aXb/c"),
    ],
)
def test_a_name_that_does_not(pattern: str, name: str):
    assert Pattern(pattern).match(name) is None


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("/{", "braces"),
        ("/}{", "braces"),
        ("/{a}}", "braces"),
        ("/{}", "no name"),
        ("/{1}", "no name"),
        ("/{a:}x{a}", "twice"),
        ("/{a:text}", "unknown kind 'text': there are str, int"),
        ("/{a}{b}", "nothing separates {b}"),
        ("/{a:int}{b:int}", "nothing separates {b:int}"),
        ("/{a}-{b}", "second text between two slashes"),
        ("/{a:path}/b", "has to be the end"),
    ],
)
def test_what_is_no_pattern_is_explained(pattern: str, problem: str):
    with pytest.raises(ConfigurationError) as caught:
        Pattern(pattern)
    assert problem in str(caught.value)
    assert repr(pattern) in str(caught.value)


def test_patterns_that_match_the_same_names_have_one_shape():
    assert Pattern("/a/{b:int}").shape == Pattern("/a/{c:int}").shape
    assert Pattern("/a/{b:int}").shape != Pattern("/a/{b}").shape


def test_what_looks_like_a_pattern_is_taken_for_one():
    assert [is_pattern(name) for name in ("/a", "/{a}", "/a}")] == [False, True, True]


@given(st.text(alphabet="ab-/09.", max_size=250))
def test_matching_takes_linear_time(name: str):
    pattern = Pattern("/{a}/{b:int}.{c:float}-{d}/{e:path}")
    started = time.process_time()
    pattern.match("/" + name)
    pattern.match("/" + "0." * 100 + name)
    assert time.process_time() - started < 0.5
