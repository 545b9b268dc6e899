# SPDX-License-Identifier: MIT
"""Everything about balancing at once, on four loops, while servers drop their connections and
configurations change: each answer is checked, and in the end all servers are asked again. Under
ThreadSanitizer this is the test of what loops share."""
import pytest

from harness.load import CheckedLoad, checked_answer

pytestmark = [pytest.mark.ours, pytest.mark.slow]

METHODS = {
    "quiet": "",
    "least_time": "least_time last_byte inflight;",
    "random": "random two least_time=header;",
    "hash": "hash $request_uri;",
    "bounded": "hash $request_uri consistent bounded=1.5;",
    "ip_hash": "ip_hash;",
}

CONF = """
upstream u { METHOD SERVERS keepalive 4;
    outlier_ejection consecutive=20 base=300ms; }
match fine { status 200-399; }
server { listen @P@ reuseport; client_max_body_size 0;
    location / { proxy_pass http://u; proxy_next_upstream error timeout http_502;
        health_check interval=1s uri=/checked/0 match=fine; }
}
"""


def conf(method, names="ABCD"):
    servers = " ".join(f"server @{name}@ weight={1 + 'ABCD'.index(name) % 2} max_conns=100;" for name in names)
    return CONF.replace("METHOD", METHODS[method]).replace("SERVERS", servers)


@pytest.mark.parametrize("method", METHODS)
def test_servers_and_configurations_change(proxy, origin, method):
    backs = {name: origin(name=name.lower(), handle=checked_answer) for name in "ABCD"}
    desk = proxy(conf(method), workers=4, **backs)
    with CheckedLoad(desk.address(), clients=12, posts=False) as load:
        load.wait(150)
        backs["A"].close_all()
        load.wait(100)
        desk.reload(http=conf(method, "ABD"), workers=4, **backs)
        load.wait(150)
        for back in backs.values():
            back.close_all()
        load.wait(100)
        desk.reload(http=conf(method), workers=4, **backs)
        load.wait(150)
    assert load.failures == []
    assert desk.is_alive()
    if method == "quiet":                # all are asked again in the end
        seen = {name: len(back.requests) for name, back in backs.items()}
        with CheckedLoad(desk.address(), clients=12, posts=False) as load:
            # Whose connection was closed in the middle of an answer may be left alone for fail_timeout.
            desk.wait_for(lambda: all(len(back.requests) > seen[name] + 20 for name, back in backs.items()),
                          20, "all to get their part")
        assert load.failures == []


def test_methods_change(proxy, origin):
    """A request that comes while a reload brings another method is not told that nobody is there."""
    backs = {name: origin(name=name.lower(), handle=checked_answer) for name in "ABCD"}
    desk = proxy(conf("quiet"), workers=4, **backs)
    with CheckedLoad(desk.address(), clients=12, posts=False) as load:
        for method in 3 * list(METHODS):
            desk.reload(http=conf(method), workers=4, **backs)
            load.wait(20)
    assert load.failures == []
    assert "no live upstreams" not in desk.errors()
