# SPDX-License-Identifier: MIT
"""The harness itself: it starts, answers and ends."""


def test_a_request_goes_through(proxy, origin):
    back = origin(name="o")
    desk = proxy("server { listen @P@; location / { proxy_pass http://@O@; } }", O=back)
    answer = desk.get("/a?b=c", host="example.com")
    assert answer.status == 200
    assert answer.json["target"] == "/a?b=c"
    assert len(desk.workers()) == 1
    assert desk.log_lines()[0].startswith("127.0.0.1 - - [")
