# SPDX-License-Identifier: MIT
"""The proxy with a cache that the cases share: one for each tier and test process."""
import pytest

from conftest import Maker, Origins
from harness.origin import Origin
from harness.proxy import is_nginx

from .desk import Desk

# The one place that says which tiers there are, and how their zones are written.
TIERS = {"disk": "proxy_cache_path @DIR@/cache keys_zone=one:10m;",
         "memory": "proxy_cache_path memory: keys_zone=one:10m memory=64m;"}
if is_nginx():
    del TIERS["memory"]

CONF = """
proxy_cache one;
proxy_cache_revalidate on;
server {
    listen @P@;
    location / { proxy_pass http://@O@; }
}
"""


def case_of(item):
    return getattr(item, "callspec", None) and item.callspec.params.get("case")


def pytest_collection_modifyitems(items):
    for item in items:
        if case_of(item) and case_of(item).waits:
            item.add_marker(pytest.mark.slow)       # side by side, so that they wait together


@pytest.fixture(scope="session", params=TIERS)
def tier(request):
    return TIERS[request.param]


@pytest.fixture(scope="session")
def desk(tier):
    proxies, origins = Maker("cache"), Origins(Origin)
    try:
        origin = origins()
        yield Desk(proxies(tier + CONF, O=origin), origin)
        proxies.end()
    finally:
        origins.end()
        proxies.tidy()


@pytest.fixture
def check(desk, request):
    """check(case) plays it."""
    request.node.proxies = [desk.proxy]
    cases = (case_of(item) for item in request.session.items)
    return lambda case: desk.check(case, list(dict.fromkeys(other for other in cases if other and other.waits)))
