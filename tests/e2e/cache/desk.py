# SPDX-License-Identifier: MIT
"""Plays cases against one proxy and one origin that serve many of them at a time.

A case has a path of its own, by which the origin knows what to answer. Cases that have to wait for
a response to get old wait together: when one is asked for, its neighbours are played along with it."""
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from harness.client import fetch
from harness.wire import Closed

from . import case as words
from .case import Wait, written

AT_A_TIME = 100
LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Play:
    """One case under way."""

    def __init__(self, desk, case, name):
        self.desk = desk
        self.case = case
        self.name = name
        self.start = int(time.time())
        self.answer = words.DOWN
        self.seen = []              # requests at the origin, of the step
        self.bodies = {}            # target -> bodies that the origin sent for GET
        self.last = {}              # target -> the one that it sent last, whatever for
        self.made = 0
        self.lines = []             # what happened, for a failure's message
        self.lock = threading.Condition()

    # ---- the origin's side ----------------------------------------------------------------------

    def respond(self, request, conn):
        with self.lock:
            answer = self.answer(request) if callable(self.answer) else self.answer
            self.note(f"origin got {request.method} {request.target} {request.fields}")
            self.note(f"origin says {answer}")
            body = self.body_for(answer, request) if answer else b""
            self.seen.append(request)
            self.lock.notify_all()
        if answer is None:
            conn.sock.close()
            return
        time.sleep(answer.delay)
        conn.send(answer.bytes(body, self.start, self.name, request.method))
        if answer.ends:
            conn.sock.close()

    def body_for(self, answer, request):
        if answer.body is not None:
            body = answer.body
        else:
            self.made += 1
            body = (f"{self.made:03}{self.name}:".encode() + LETTERS)[:60]
        if request.method != "HEAD" and answer.status not in (204, 304):
            self.last[request.target] = body
            if request.method == "GET":
                self.bodies.setdefault(request.target, []).append(body)
        return body

    # ---- the client's side ----------------------------------------------------------------------

    def run(self):
        for step in self.case.steps:
            self.note(f"-- {step}")
            if isinstance(step, Wait):
                time.sleep(step.seconds)
            else:
                self.step(step)

    def step(self, step):
        target = f"/{self.name}{step.path}"
        with self.lock:
            if step.answer:
                self.answer = step.answer[0]
            self.seen = []
        likes = target if step.like is None else f"/{self.name}{step.like}"
        old = list(self.bodies.get(likes, []))
        answer = self.fetch(step, target)
        if answer is None:
            return
        with self.lock:
            seen = list(self.seen)
        JUDGES[step.expect](self, step, answer, seen, old, target)
        self.judge_the_rest(step, answer, seen, target)

    def fetch(self, step, target):
        fields = [(name, written(value, self.start, self.name)) for name, value in step.send]
        try:
            answer = fetch(self.desk.proxy.address(), step.method, target, fields, step.content, host=step.host)
        except Closed as error:
            self.note(f"client got {error!r}")
            assert step.expect == words.BROKEN, "the answer was cut"
            return None
        self.note(f"client got {answer.status} {answer.fields} {answer.body!r}")
        assert step.expect != words.BROKEN, "the answer looks whole"
        return answer

    def judge_the_rest(self, step, answer, seen, target):
        if step.status is not None:
            assert answer.status == step.status, f"status {answer.status}, {step.status} wanted"
        if step.body is not None:
            assert answer.body == step.body, f"body {answer.body!r}, {step.body!r} wanted"
        if step.not_of is not None:
            assert answer.body != self.bodies[target][step.not_of - 1], "this body may not be used any more"
        if step.asked is not None:
            assert len(seen) == step.asked, f"the origin was asked {len(seen)} times, {step.asked} wanted"
        for name, wanted in step.has.items():
            self.judge_field(f"the answer's {name}", answer.get(name), wanted)
        for name, wanted in step.sent.items():
            self.judge_field(f"the origin's {name}", seen[0].get(name) if seen else None, wanted)
        if step.check:
            step.check(answer)

    def judge_field(self, name, value, wanted):
        if callable(wanted):
            assert wanted(value), f"{name} is {value!r}, wanted: {wanted.__name__}"
        else:
            wanted = None if wanted is None else written(wanted, self.start, self.name)
            assert value == wanted, f"{name} is {value!r}, {wanted!r} wanted"

    def judge_stored(self, step, answer, old):
        """The body is one that the origin sent before this step (the last one, or number `of`)."""
        if step.method == "HEAD" or step.status in (204, 304):
            return
        assert old, "the origin has sent no body for this before"
        wanted = old[step.of - 1 if step.of else -1]
        if step.part:
            wanted = wanted[step.part[0]:step.part[1] + 1]
        elif step.status is None:
            assert answer.status == 200, f"status {answer.status}, 200 wanted"
        if step.body is None:
            assert answer.body == wanted, f"body {answer.body!r}, stored was {wanted!r}"

    def judge_miss(self, step, answer, seen, old, target):
        assert seen, "the origin was not asked"
        if step.method == "HEAD" or answer.status in (204, 304):
            return
        wanted = self.last[target]
        if step.part:
            wanted = wanted[step.part[0]:step.part[1] + 1]
        assert answer.body == wanted, f"body {answer.body!r}, the origin sent {wanted!r}"

    def judge_hit(self, step, answer, seen, old, target):
        assert not seen, "the origin was asked"
        self.judge_stored(step, answer, old)

    def judge_validated(self, step, answer, seen, old, target):
        assert seen, "the origin was not asked"
        assert seen[0].has("If-None-Match") or seen[0].has("If-Modified-Since"), "asked without a condition"
        self.judge_stored(step, answer, old)

    def judge_stale(self, step, answer, seen, old, target):
        self.judge_stored(step, answer, old)

    def judge_updating(self, step, answer, seen, old, target):
        self.judge_stored(step, answer, old)
        with self.lock:
            assert self.lock.wait_for(lambda: self.seen, 3), "the origin was not asked in the background"
            seen[:] = self.seen
        time.sleep(0.4 + (self.answer.delay if self.answer else 0))     # the update comes to its end

    def judge_asked(self, step, answer, seen, old, target):
        assert seen, "the origin was not asked"

    def judge_unasked(self, step, answer, seen, old, target):
        assert not seen, "the origin was asked"

    def judge_error(self, step, answer, seen, old, target):
        assert answer.status >= 500, f"status {answer.status}, an error wanted"
        assert answer.body not in old, "a stored body with an error's status"

    def judge_either(self, step, answer, seen, old, target):
        assert answer.status == (step.status or 200), f"status {answer.status}"
        assert step.method == "HEAD" or answer.body in self.bodies.get(target, []), "no body of the origin's"

    def note(self, line):
        self.lines.append(line)


JUDGES = {words.MISS: Play.judge_miss, words.HIT: Play.judge_hit, words.VALIDATED: Play.judge_validated,
          words.STALE: Play.judge_stale, words.UPDATING: Play.judge_updating, words.ASKED: Play.judge_asked,
          words.UNASKED: Play.judge_unasked, words.ERROR: Play.judge_error,
          words.EITHER: Play.judge_either}


class Desk:
    """The proxy, the origin behind it, and the outcomes of cases that were played ahead."""

    def __init__(self, proxy, origin):
        self.proxy = proxy
        self.origin = origin
        self.plays = {}
        self.numbers = itertools.count(1)
        self.outcomes = {}
        origin.handle = self.respond

    def respond(self, request):
        play = self.plays.get(request.target.split("?")[0].split("/")[1])
        return (lambda conn: play.respond(request, conn)) if play else None

    def play(self, case):
        """None, or the failure with what led to it."""
        name = f"case{next(self.numbers)}"
        play = self.plays[name] = Play(self, case, name)
        try:
            play.run()
        except Exception as error:      # noqa: BLE001 - whatever it is, the test shows it
            return f"{error or type(error).__name__}\n" + "\n".join(play.lines)
        return None

    def check(self, case, waiting):
        """Plays the case; if it has to wait, together with those behind it in the list of all that have to."""
        if case.waits and case not in self.outcomes:
            first = waiting.index(case)
            block = [other for other in waiting[first:first + AT_A_TIME] if other not in self.outcomes]
            with ThreadPoolExecutor(AT_A_TIME) as threads:
                self.outcomes.update(zip(block, threads.map(self.play, block)))
        failure = self.outcomes[case] if case.waits else self.play(case)
        assert failure is None, f"{case.title} (RFC {case.source})\n{failure}"
