# SPDX-License-Identifier: MIT
"""Which server takes a request, and what listen understands."""
import os
import socket
import stat
import subprocess

import pytest

from harness.client import Client, fetch, request

CONF = """
server { listen @P@; server_name first.example; return 200 "first"; }
server { listen @P@ default_server; server_name ""; return 200 "default $host"; }
server { listen @P@; server_name exact.example www.exact.example; return 200 "exact $server_name"; }
server { listen @P@; server_name *.example; return 200 "star-suffix"; }
server { listen @P@; server_name *.long.example; return 200 "longer-suffix"; }
server { listen @P@; server_name www.*; return 200 "star-prefix"; }
server { listen @P@; server_name www.long.*; return 200 "longer-prefix"; }
server { listen @P@; server_name .dot.test; return 200 "dot"; }
server { listen @P@; server_name ~^(?<sub>[a-z]+)\\.re\\.test$; return 200 "regex $sub"; }
server { listen @P@; server_name ~^(.+)\\.re\\.test$; return 200 "second $1"; }
server { listen @P@; server_name UPPER.Test; return 200 "upper $server_name"; }
server { listen @P@; server_name _; return 200 "underscore"; }
server { listen @D@; server_name a; return 200 "implicit"; }
server { listen @D@; server_name b; return 200 "b"; }
"""


@pytest.fixture(scope="module")
def desk(shared_proxy):
    return shared_proxy(CONF)


@pytest.mark.parametrize("host, body", [
    ("first.example", "first"), ("exact.example", "exact exact.example"), ("EXACT.Example", "exact exact.example"),
    ("www.exact.example", "exact exact.example"), ("exact.example:8080", "exact exact.example"),
    ("exact.example.", "exact exact.example"),
    ("a.example", "star-suffix"), ("a.b.example", "star-suffix"), ("a.long.example", "longer-suffix"),
    ("example", "default example"),
    ("www.else.net", "star-prefix"), ("www.long.net", "longer-prefix"), ("www.b.example", "star-suffix"),
    ("dot.test", "dot"), ("x.dot.test", "dot"), ("xdot.test", "default xdot.test"),
    ("abc.re.test", "regex abc"), ("a1.re.test", "second a1"), ("upper.test", "upper upper.test"),
    ("unknown.org", "default unknown.org"), ("127.0.0.1", "default 127.0.0.1"), ("_", "underscore"),
    ("Mixed.ORG", "default mixed.org"),
])
def test_server(desk, host, body):
    assert desk.get(host=host).text == body


def test_no_host_goes_to_the_empty_name(desk):
    with desk.connect() as client:
        client.send("GET / HTTP/1.0\r\n\r\n")
        assert client.response().text.startswith("default")


def test_the_first_is_the_default(desk):
    assert desk.get(host="z", to="D").text == "implicit"
    assert desk.get(host="b", to="D").text == "b"


def test_absolute_form_chooses_the_server(desk):
    with desk.connect() as client:
        client.send("GET http://first.example/ HTTP/1.1\r\nHost: exact.example\r\n\r\n")
        assert client.response().text == "first"


def test_connections_may_change_the_server(desk):
    with desk.connect() as client:
        assert client.ask(host="first.example").text == "first"
        assert client.ask(host="a.long.example").text == "longer-suffix"


# ---- listen -----------------------------------------------------------------------------------------

def test_several_addresses_and_families(proxy):
    desk = proxy("""
        server { listen @A@; listen @B@; listen [::1]:@A.port@; listen unix:@DIR@/s.sock;
                 return 200 "$server_addr:$server_port $remote_addr"; }""")
    a, b = desk.address("A"), desk.address("B")
    assert desk.get(to="A").text == f"{a} 127.0.0.1"
    assert desk.get(to="B").text == f"{b} 127.0.0.1"
    assert fetch(f"[::1]:{desk.port('A')}").text == f"::1:{desk.port('A')} ::1"
    assert fetch(f"unix:{desk.path('s.sock')}").text.endswith(" unix:")


def test_a_port_alone_is_all_of_ipv4(proxy):
    desk = proxy("server { listen @A.port@; return 200 $server_addr; }")
    assert fetch(f"127.0.0.1:{desk.port('A')}").text == "127.0.0.1"
    assert fetch(f"127.0.0.9:{desk.port('A')}").text == "127.0.0.9"
    with pytest.raises(OSError):
        Client(f"[::1]:{desk.port('A')}")


@pytest.mark.parametrize("form", ["*:@A.port@", "0.0.0.0:@A.port@", "localhost:@A.port@"])
def test_forms_of_an_address(proxy, form):
    desk = proxy(f"server {{ listen {form}; return 200 ok; }}")
    assert fetch(f"127.0.0.1:{desk.port('A')}").text == "ok"


def test_ipv6only(proxy):
    desk = proxy("server { listen [::]:@A.port@ ipv6only=off; return 200 $remote_addr; }")
    assert fetch(f"127.0.0.1:{desk.port('A')}").status == 200
    assert fetch(f"[::1]:{desk.port('A')}").text == "::1"


def test_a_wildcard_and_an_address_on_the_same_port(proxy):
    desk = proxy("""server { listen *:@A.port@; return 200 any; }
                    server { listen 127.0.0.2:@A.port@; return 200 two; }""")
    assert fetch(f"127.0.0.1:{desk.port('A')}").text == "any"
    assert fetch(f"127.0.0.2:{desk.port('A')}").text == "two"


@pytest.mark.parametrize("options", ["backlog=64", "reuseport", "so_keepalive=on", "so_keepalive=30m::10",
                                     "deferred", "rcvbuf=64k sndbuf=64k", "fastopen=16",
                                     "default_server backlog=1024 reuseport deferred"])
def test_listen_options(proxy, options):
    desk = proxy(f"server {{ listen @P@ {options}; return 200 ok; }}")
    assert desk.get().text == "ok"


def test_backlog_is_what_was_asked_for(proxy):
    desk = proxy("server { listen @P@ backlog=77; return 200 ok; }")
    shown = subprocess.run(["ss", "-Hltn", f"sport = :{desk.port()}"], capture_output=True,
                           text=True, check=True).stdout.split()
    assert shown[2] == "77"


def test_a_unix_socket_is_for_everybody(proxy):
    desk = proxy("server { listen unix:@DIR@/s.sock; return 200 ok; }")
    mode = os.stat(desk.path("s.sock")).st_mode
    assert stat.S_ISSOCK(mode) and mode & 0o666 == 0o666
    desk.stop()
    assert not os.path.exists(desk.path("s.sock"))


@pytest.mark.parametrize("http, words", [
    ("server { listen @P@ default_server; } server { listen @P@ default_server; }", "a duplicate default server for"),
    ("server { listen @P@; listen @P@; }", "a duplicate listen"),
    ("server { listen 127.0.0.1:99999; }", "invalid port in"),
    ("server { listen @P@ nonsense; }", 'invalid parameter "nonsense"'),
    ("server { listen 1.2.3.4.5:80; }", "host not found in"),
    ("server { listen @P@ backlog=x; }", 'invalid backlog "backlog=x"'),
    ("server { listen @P@; server_name a*b; } server { listen @P@; server_name b; }", 'invalid server name or wildcard "a*b"'),
    ("server { listen @P@; server_name ~(; }", "pcre2_compile() failed"),
    ("server { listen unix:; }", "no path in the unix domain socket"),
])
def test_refused_at_load(proxy, http, words):
    done = proxy(http, start=False).run("-t")
    assert done.returncode == 1
    assert words in done.stderr.replace("pcre_compile", "pcre2_compile")


def test_a_taken_port_is_said_clearly(proxy):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        desk = proxy(f"server {{ listen 127.0.0.1:{port}; return 200 ok; }}", start=False)
        desk.start(wait=False)
        assert desk.process.wait(10) == 1
        desk.process = None
        assert f"bind() to 127.0.0.1:{port} failed (98: Address already in use)" in desk.errors() + desk.stderr()
        desk.may_alert = True


def test_conflicting_names_are_a_warning(proxy):
    desk = proxy("""server { listen @P@; server_name a; return 200 one; }
                    server { listen @P@; server_name a; return 200 two; }""")
    assert desk.get(host="a").text == "one"
    assert 'conflicting server name "a" on ' in desk.errors() + desk.stderr()


def test_no_name_is_the_empty_name(proxy):
    """A server without server_name takes requests without a host, wherever it stands."""
    desk = proxy("""server { listen @P@; server_name a; return 200 default; }
                    server { listen @P@; return 200 nameless; }
                    server { listen @P@; server_name ""; return 200 second; }""")
    assert desk.get(host=None, version="1.0").text == "nameless"
    assert desk.get(host="other").text == "default"
    assert 'conflicting server name "" on ' in desk.errors() + desk.stderr()


def test_keep_alive_idle_pipeline_across_servers(desk):
    with desk.connect() as client:
        client.send(request(host="first.example") + request(host="x.dot.test"))
        assert client.response().text == "first"
        assert client.response().text == "dot"
