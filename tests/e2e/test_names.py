# SPDX-License-Identifier: MIT
"""Names of origins: resolved through the system's resolver, several addresses, some not there yet."""
import os

import pytest

from harness.hosts import with_hosts

ours = pytest.mark.ours

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs a mount namespace (root)")


def test_all_addresses_of_a_name_are_used(proxy, origin):
    one = origin(name="1", address="127.0.0.1")
    two = origin(name="2", address="127.0.0.2", port=one.port)
    desk = proxy("""upstream u { server two.test:@PORT@; }
        server { listen @P@; location / { proxy_pass http://u; } location /direct { proxy_pass http://two.test:@PORT@; } }""",
                 start=False, PORT=str(one.port))
    with_hosts(desk, "127.0.0.1 localhost two.test\n127.0.0.2 two.test\n")
    desk.start()
    seen = [desk.get().json["origin"] for _ in range(4)]
    assert sorted(seen) == ["1", "1", "2", "2"] and seen[0] != seen[1]
    assert {desk.get("/direct").json["origin"] for _ in range(4)} == {"1", "2"}
    assert two.last.get("Host") == f"two.test:{one.port}"
    two.stop()
    assert [desk.get().json["origin"] for _ in range(4)] == ["1"] * 4


def test_a_name_with_ipv6(proxy, origin):
    back = origin(address="::1")
    desk = proxy("server { listen @P@; location / { proxy_pass http://six.test:@PORT@; } }", start=False, PORT=str(back.port))
    with_hosts(desk, "::1 six.test\n127.0.0.1 localhost\n")
    desk.start()
    assert desk.get().status == 200


@ours
@pytest.mark.slow
def test_a_name_that_resolves_later_is_tried_again(proxy, origin):
    """It doesn't stop the start; it says so; it comes to life without a reload."""
    back = origin()
    desk = proxy("""upstream u { server later.test:@PORT@; }
        server { listen @P@; location / { proxy_pass http://u; } location /local { return 200 up; } }""",
                 start=False, PORT=str(back.port))
    path = with_hosts(desk, "127.0.0.1 localhost\n")
    desk.start()
    assert desk.get("/local").text == "up"
    assert desk.get().status == 502
    desk.wait_error("later.test")
    with open(path, "a", encoding="ascii") as file:
        file.write("127.0.0.1 later.test\n")
    desk.wait_for(lambda: desk.get().status == 200, 30, "the name to be tried again")


@ours
def test_t_with_a_name_that_does_not_resolve(proxy):
    """No error: the machine that tests may not know the name."""
    done = proxy("server { listen @P@; location / { proxy_pass http://never.invalid; } }", start=False).run("-t")
    assert done.returncode == 0
