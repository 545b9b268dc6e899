# SPDX-License-Identifier: MIT
"""Queries that make no difference, by the origin's word: the No-Vary-Search response field."""
import pytest

from .case import HIT, MISS, Case, get, head, ok

pytestmark = pytest.mark.ours


def same(value, first, second):
    return Case(f"{value}: {first} is {second}", "No-Vary-Search",
                get(MISS, ok("max-age=60", No_Vary_Search=value), path=first), get(HIT, path=second, like=first))


def differs(value, first, second):
    return Case(f"{value}: {first} is not {second}", "No-Vary-Search",
                get(MISS, ok("max-age=60", No_Vary_Search=value), path=first), get(MISS, path=second))


CASES = [
    same("params", "?a=1", "?a=2"), same("params", "?a=1", ""), same("params", "", "?b"), same("params=?1", "?a=1", "?b=2"),
    same('params=("utm")', "?utm=1", "?utm=2"), same('params=("utm")', "?a=1&utm=1", "?a=1"), same('params=("utm")', "?a=1", "?a=1&utm=9"),
    differs('params=("utm")', "?a=1", "?a=2"), differs('params=("utm")', "?utm=1&a=1", "?utm=1&a=2"),
    differs('params=("utm")', "?a=1&b=2", "?b=2&a=1"), same('params=("a" "b")', "?a=1&b=1&c=1", "?c=1&b=2"),
    same('params, except=("id")', "?id=1&x=1", "?id=1&y=2"), differs('params, except=("id")', "?id=1", "?id=2"),
    same("key-order", "?a=1&b=2", "?b=2&a=1"), differs("key-order", "?a=1&a=2", "?a=2&a=1"), differs("key-order", "?a=1", "?a=2"),
    same('key-order, params=("utm")', "?a=1&utm=1&b=2", "?b=2&a=1"),
    differs("params=?0", "?a=1", "?a=2"), differs("key-order=?0", "?a=1&b=2", "?b=2&a=1"), differs("x-new", "?a=1", "?a=2"),
    differs('except=("a")', "?b=1", "?b=2"), differs('params=("a" 1)', "?a=1", "?a=2"), differs("params=1", "?a=1", "?a=2"),
    differs('params=("a"', "?a=1", "?a=2"), differs("", "?a=1", "?a=2"), differs('params=("a"), except=("b")', "?a=1", "?a=2"),
    Case("HEAD as well", "No-Vary-Search", get(MISS, ok("max-age=60", No_Vary_Search="params"), path="?a=1"), head(HIT, path="?a=2")),
    Case("another path is another", "No-Vary-Search",
         get(MISS, ok("max-age=60", No_Vary_Search="params"), path="/a?x"), get(MISS, path="/b?x")),
    Case("it is told to the client", "9111 3.1 MUST", get(MISS, ok("max-age=60", No_Vary_Search="params")), get(HIT, has={"No-Vary-Search": "params"})),
]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_no_vary_search(check, case):
    check(case)
