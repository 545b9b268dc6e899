# SPDX-License-Identifier: MIT
"""Who the client is behind other proxies: set_real_ip_from, real_ip_header, real_ip_recursive."""
import pytest

from harness.client import request
from harness.origin import reply

CONF = """
log_format who "$remote_addr $remote_port $realip_remote_addr $request_uri";
access_log logs/who.log who;
map $remote_addr $kind { 192.0.2.66 marked; default plain; }

server {                                    # at the server's level: known before anything else
    listen @P@;
    set_real_ip_from 127.0.0.0/8;
    real_ip_header @HEADER@;
    location / { return 200 "$remote_addr $remote_port $realip_remote_addr $kind $proxy_add_x_forwarded_for"; }
    location /denied { deny 192.0.2.66; proxy_pass http://@O@; }
    location /pass { proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Real-IP $remote_addr;
                     proxy_pass http://@O@; }
    location /error { error_page 404 = /pass/error; proxy_intercept_errors on; proxy_pass http://@O@; }
    location /other { set_real_ip_from 192.0.2.0/24; real_ip_header X-Client; proxy_set_header X-Real-IP $remote_addr;
                      proxy_pass http://@O@; }
}
"""


@pytest.fixture(scope="module")
def desk(shared_proxy, back):
    return shared_proxy(CONF, O=back, HEADER="X-Real-IP")


@pytest.fixture(scope="module")
def chain(shared_proxy, back):
    """X-Forwarded-For in all its forms; a location per case, seen by the origin."""
    return shared_proxy("""
        proxy_set_header X-Seen "$remote_addr $remote_port $realip_remote_addr";
        real_ip_header X-Forwarded-For;
        server {
            listen @P@;
            listen [::1]:@P.port@;
            listen unix:@DIR@/sock;
            location /last { set_real_ip_from 127.0.0.1; proxy_pass http://@O@; }
            location /all { set_real_ip_from 127.0.0.1; set_real_ip_from 10.0.0.0/8; set_real_ip_from 2001:db8::/32;
                            real_ip_recursive on; proxy_pass http://@O@; }
            location /everybody { set_real_ip_from 0.0.0.0/0; set_real_ip_from ::/0; real_ip_recursive on;
                                  proxy_pass http://@O@; }
            location /name { set_real_ip_from localhost; proxy_pass http://@O@; }
            location /v6 { set_real_ip_from ::1; proxy_pass http://@O@; }
            location /unix { set_real_ip_from unix:; proxy_pass http://@O@; }
            location /nobody { proxy_pass http://@O@; }
            location /strangers { set_real_ip_from 192.0.2.1; proxy_pass http://@O@; }
            location /field { set_real_ip_from 127.0.0.1; real_ip_header CF-Connecting-IP; proxy_pass http://@O@; }
            location /field/list { real_ip_recursive on; set_real_ip_from 127.0.0.1; set_real_ip_from 10.0.0.0/8;
                                   real_ip_header CF-Connecting-IP; proxy_pass http://@O@; }
            location /proxied { set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol; proxy_pass http://@O@; }
        }""", O=back)


def seen(chain, back, path, *lines, field="X-Forwarded-For", **options):
    """(address, port) as the origin is told, when these lines of the field were sent."""
    back.reset()
    assert chain.get(path, fields=[(field, line) for line in lines], **options).status == 200
    address, port, _ = back.last.get("X-Seen").split(" ")
    return address, port


def address(chain, back, path, *lines, **options):
    return seen(chain, back, path, *lines, **options)[0]


# ---- where it counts -------------------------------------------------------------------------------

def test_a_trusted_proxy_says_who_it_is(desk):
    answer = desk.get("/", fields={"X-Real-IP": "192.0.2.66"}).body.decode().split(" ")
    assert answer[0] == "192.0.2.66"
    assert answer[1] == ""                       # the field says nothing of a port
    assert answer[2:] == ["127.0.0.1", "marked", "192.0.2.66"]


def test_without_the_field_nothing_changes(desk):
    answer = desk.get("/").body.decode().split(" ")
    assert answer[0] == "127.0.0.1" and answer[1].isdigit() and answer[2:4] == ["127.0.0.1", "plain"]


def test_logs(desk):
    before = len(desk.read("logs/who.log").splitlines())
    desk.get("/denied?logged", fields={"X-Real-IP": "192.0.2.66"})
    assert desk.log_line(before, lambda line: "logged" in line, name="logs/who.log") == \
        "192.0.2.66  127.0.0.1 /denied?logged"
    desk.wait_error(r'access forbidden by rule, client: 192\.0\.2\.66, .*logged')


def test_access_rules(desk):
    assert desk.get("/denied", fields={"X-Real-IP": "192.0.2.66"}).status == 403
    assert desk.get("/denied", fields={"X-Real-IP": "192.0.2.67"}).status == 200
    assert desk.get("/denied").status == 200


def test_what_travels_on(desk, back):
    desk.get("/pass", fields={"X-Real-IP": "192.0.2.66", "X-Forwarded-For": "192.0.2.1"})
    assert back.last.get("X-Real-IP") == "192.0.2.66"
    assert back.last.get("X-Forwarded-For") == "192.0.2.1, 192.0.2.66"


def test_each_request_of_a_connection_starts_anew(desk, back):
    with desk.connect() as client:
        for wanted in ("192.0.2.66", "192.0.2.67", None, "192.0.2.68"):
            fields = {"X-Real-IP": wanted} if wanted else {}
            client.send(request("GET", "/pass", host="a", fields=fields))
            assert client.response().status == 200
            assert back.last.get("X-Real-IP") == (wanted or "127.0.0.1")


def test_only_once_per_request(desk, back):
    """The server's rules have replaced the client: the location's have no say any more, even if they trust it."""
    desk.get("/other", fields={"X-Real-IP": "192.0.2.66", "X-Client": "192.0.2.99"})
    assert back.last.get("X-Real-IP") == "192.0.2.66"
    desk.get("/other", fields={"X-Client": "192.0.2.99"})
    assert back.last.get("X-Real-IP") == "127.0.0.1"     # 127.0.0.1 is trusted by the server only


def test_an_internal_redirect_keeps_it(desk, back):
    back.handle = lambda got: reply(404) if got.target == "/error" else reply(200)
    assert desk.get("/error", fields={"X-Real-IP": "192.0.2.66"}).status == 200
    assert back.last.target == "/pass/error"
    assert back.last.get("X-Real-IP") == "192.0.2.66"
    assert back.last.get("X-Forwarded-For") == "192.0.2.66"


# ---- who is trusted --------------------------------------------------------------------------------

def test_nobody_is_trusted_without_being_named(chain, back):
    assert address(chain, back, "/nobody", "192.0.2.66") == "127.0.0.1"
    assert address(chain, back, "/strangers", "192.0.2.66") == "127.0.0.1"


def test_names(chain, back):
    assert address(chain, back, "/name", "192.0.2.66") == "192.0.2.66"


def test_ipv6_and_unix_senders(chain, back):
    chain.names["V6"] = f"[::1]:{chain.port()}"
    chain.names["UNIX"] = f"unix:{chain.path('sock')}"
    assert address(chain, back, "/v6", "192.0.2.66", to="V6") == "192.0.2.66"
    assert address(chain, back, "/v6", "192.0.2.66") == "127.0.0.1"
    assert address(chain, back, "/last", "192.0.2.66", to="V6") == "::1"
    assert address(chain, back, "/unix", "192.0.2.66", to="UNIX") == "192.0.2.66"
    assert address(chain, back, "/unix", "192.0.2.66") == "127.0.0.1"
    assert address(chain, back, "/last", "192.0.2.66", to="UNIX") == "unix:"


# ---- lists -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("line, wanted", [
    ("192.0.2.1", "192.0.2.1"),
    ("192.0.2.1, 192.0.2.2", "192.0.2.2"),
    ("192.0.2.1,192.0.2.2", "192.0.2.2"),
    ("192.0.2.1 192.0.2.2", "192.0.2.2"),
    ("192.0.2.1, 192.0.2.2, ,", "192.0.2.2"),
    ("192.0.2.1, nonsense", "127.0.0.1"),
    ("nonsense, 192.0.2.2", "192.0.2.2"),
    ("unknown", "127.0.0.1"),
    (",192.0.2.1", "127.0.0.1"),
    (",,192.0.2.1", "192.0.2.1"),
    (",", "127.0.0.1"),
    ("2001:db8::7", "2001:db8::7"),
    ("2001:DB8:0:0::7", "2001:db8::7"),
    ("[2001:db8::7]", "127.0.0.1"),
    ("192.0.2.256", "127.0.0.1"),
    ("192.0.2", "127.0.0.1"),
    ("unix:/x", "127.0.0.1"),
    ("\"192.0.2.1\"", "127.0.0.1"),
])
def test_the_last_element(chain, back, line, wanted):
    assert address(chain, back, "/last", line) == wanted


@pytest.mark.parametrize("line, wanted", [
    ("192.0.2.1:567", ("192.0.2.1", "567")),
    ("192.0.2.1:65535", ("192.0.2.1", "65535")),
    ("[2001:db8::7]:567", ("2001:db8::7", "567")),
    ("192.0.2.1", ("192.0.2.1", "")),
    ("192.0.2.9:1, 192.0.2.1:567", ("192.0.2.1", "567")),
    ("[192.0.2.1]:567", ("192.0.2.1", "567")),
    ("2001:db8::7:567", ("2001:db8::7:567", "")),
])
def test_ports(chain, back, line, wanted):
    assert seen(chain, back, "/last", line) == wanted


@pytest.mark.parametrize("line", ["192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:-1",
                                  "192.0.2.1:1:1", "[2001:db8::7]:", "[2001:db8::7]567", "[2001:db8::7:567", "[]:567",
                                  ":567"])
def test_bad_ports(chain, back, line):
    assert address(chain, back, "/last", line) == "127.0.0.1"


@pytest.mark.parametrize("lines, wanted", [
    (["192.0.2.1, 10.0.0.1, 10.0.0.2"], "192.0.2.1"),
    (["192.0.2.1, 192.0.2.2, 10.0.0.2"], "192.0.2.2"),
    (["10.0.0.3, 10.0.0.1, 10.0.0.2"], "10.0.0.3"),
    (["192.0.2.1, nonsense, 10.0.0.2"], "10.0.0.2"),
    (["192.0.2.1, nonsense"], "127.0.0.1"),
    (["192.0.2.1, 10.0.0.1:80, [2001:db8::1]:443"], "192.0.2.1"),
    (["192.0.2.1, ::ffff:10.0.0.1"], "192.0.2.1"),
    (["192.0.2.1", "10.0.0.1", "10.0.0.2"], "192.0.2.1"),
    (["192.0.2.1, 10.0.0.3", "10.0.0.1, 10.0.0.2"], "192.0.2.1"),
    (["192.0.2.1", "192.0.2.2, 10.0.0.2"], "192.0.2.2"),
    (["192.0.2.1", "192.0.2.2"], "192.0.2.2"),
    (["192.0.2.1", "nonsense", "10.0.0.2"], "10.0.0.2"),
    (["192.0.2.1", "nonsense, 10.0.0.2"], "10.0.0.2"),
    (["10.0.0.1", "nonsense"], "127.0.0.1"),
    (["192.0.2.1"], "192.0.2.1"),
])
def test_recursive(chain, back, lines, wanted):
    assert address(chain, back, "/all", *lines) == wanted


def test_not_recursive_takes_the_last_line(chain, back):
    assert address(chain, back, "/last", "192.0.2.1", "192.0.2.2, 127.0.0.1") == "127.0.0.1"
    assert address(chain, back, "/last", "192.0.2.1", "192.0.2.2") == "192.0.2.2"


def test_whoever_trusts_everybody_believes_everything(chain, back):
    assert address(chain, back, "/everybody", "203.0.113.9, 198.51.100.1, 192.0.2.1") == "203.0.113.9"


def test_a_long_list(chain, back):
    line = ", ".join(["192.0.2.1"] + ["10.0.0.1"] * 500)
    assert address(chain, back, "/all", line) == "192.0.2.1"


# ---- other fields ----------------------------------------------------------------------------------

def test_any_field(chain, back):
    field = {"field": "cf-connecting-ip"}
    assert address(chain, back, "/field", "192.0.2.66", **field) == "192.0.2.66"
    assert address(chain, back, "/field", "192.0.2.1, 192.0.2.66", **field) == "192.0.2.66"
    assert address(chain, back, "/field", "192.0.2.66", field="X-Forwarded-For") == "127.0.0.1"
    assert address(chain, back, "/field", "192.0.2.1", "192.0.2.2", **field) == "192.0.2.1"
    assert address(chain, back, "/field/list", "192.0.2.1, 10.0.0.1", **field) == "192.0.2.1"


def test_proxy_protocol_needs_a_header(chain, back):
    assert address(chain, back, "/proxied", "192.0.2.66") == "127.0.0.1"


def test_reload(proxy):
    conf = 'server { listen @P@; %s return 200 "$remote_addr"; }'
    desk = proxy(conf % "set_real_ip_from 192.0.2.1;")
    fields = {"X-Real-IP": "192.0.2.66"}
    assert desk.get(fields=fields).body == b"127.0.0.1"
    desk.reload(http=conf % "set_real_ip_from 127.0.0.1;")
    desk.wait_for(lambda: desk.get(fields=fields).body == b"192.0.2.66", 20, "the new rules")


def test_trust_is_a_servers_own(proxy):
    desk = proxy("""
        server { listen @P@; set_real_ip_from 127.0.0.1; return 200 "$remote_addr"; }
        server { listen @Q@; return 200 "$remote_addr"; }""")
    assert desk.get(fields={"X-Real-IP": "192.0.2.66"}).body == b"192.0.2.66"
    assert desk.get(to="Q", fields={"X-Real-IP": "192.0.2.66"}).body == b"127.0.0.1"
