# SPDX-License-Identifier: MIT
"""The words of a case: what a client asks, what the origin would answer, and what must come of it.

    Case("a fresh response is reused", "9111 4.2",
         get(MISS, ok("max-age=60")),
         get(HIT))

Each step is one request. Its first word says where the answer must come from, judged by what the
origin saw and by the body (no two answers of an origin have the same one), never by the proxy's own
fields. An origin's answer stays in force until a later step gives another."""
import time

# ---- where the answer comes from ----------------------------------------------------------------

MISS = "MISS"               # the origin was asked, and its very answer came
HIT = "HIT"                 # the origin was not asked; the body is one that it sent before
VALIDATED = "VALIDATED"     # the origin was asked with a condition, said 304, and a stored body came
STALE = "STALE"             # a stored body came, whether or not the origin was asked
UPDATING = "UPDATING"       # a stored body came at once, and the origin was asked behind it
ASKED = "ASKED"             # the origin was asked; the step says the rest
UNASKED = "UNASKED"         # the origin was not asked; the step says the rest
ERROR = "ERROR"             # 5xx, and not with a stored body
BROKEN = "BROKEN"           # the client can see that the answer is not whole
EITHER = "EITHER"           # the body is one that the origin sent, now or before


# ---- dates --------------------------------------------------------------------------------------

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def imf(seconds):
    """Sun, 06 Nov 1994 08:49:37 GMT"""
    t = time.gmtime(seconds)
    return (f"{DAYS[t.tm_wday]}, {t.tm_mday:02} {MONTHS[t.tm_mon - 1]} {t.tm_year} "
            f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT")


def rfc850(seconds):
    """Sunday, 06-Nov-94 08:49:37 GMT"""
    t = time.gmtime(seconds)
    return (f"{LONG_DAYS[t.tm_wday]}, {t.tm_mday:02}-{MONTHS[t.tm_mon - 1]}-{t.tm_year % 100:02} "
            f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT")


def asctime(seconds):
    """Sun Nov  6 08:49:37 1994"""
    t = time.gmtime(seconds)
    return (f"{DAYS[t.tm_wday]} {MONTHS[t.tm_mon - 1]} {t.tm_mday:2} "
            f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} {t.tm_year}")


class Moment:
    """A time relative to the case's beginning, written out when it is sent or compared."""

    def __init__(self, offset, form=imf):
        self.offset = offset
        self.form = form

    def at(self, start):
        return self.form(start + self.offset)

    def __repr__(self):
        return f"<{self.offset:+} s>"


def ago(seconds, form=imf):
    return Moment(-seconds, form)


def ahead(seconds, form=imf):
    return Moment(seconds, form)


NOW = ago(0)


def written(value, start, name):
    """A field's value as it goes over the wire; @CASE@ is the first segment of the case's paths."""
    text = value.at(start) if isinstance(value, Moment) else str(value)
    return text.replace("@CASE@", name)


# ---- what the origin says -----------------------------------------------------------------------

def names(fields):
    """Last_Modified="x" is Last-Modified: x."""
    return [(name.replace("_", "-"), value) for name, value in fields.items() if value is not None]


class Answer:
    def __init__(self, status, cache_control=None, more=(), body=None, how="length", before=b"", delay=0,
                 trailers=(), reason="OK", **fields):
        self.status = status
        self.reason = reason
        self.is_dated = "Date" in fields        # else Date is when it is sent
        self.fields = names(fields) + list(more)
        if cache_control is not None:
            self.fields.append(("Cache-Control", cache_control))
        self.body = body            # None: one of its own
        self.how = how              # length, chunked, close; short, cut: ends too early
        self.before = before        # bytes in front (1xx)
        self.delay = delay          # seconds until it is sent
        self.trailers = trailers

    def bytes(self, body, start, case_name, method):
        lines = [f"HTTP/1.1 {self.status} {self.reason}"]
        if not self.is_dated:
            lines.append(f"Date: {imf(time.time())}")
        lines += [f"{name}: {written(value, start, case_name)}" for name, value in self.fields]
        has_body = self.status not in (204, 304)
        if self.how in ("chunked", "cut"):
            lines.append("Transfer-Encoding: chunked")
        elif self.how == "close":
            lines.append("Connection: close")
        elif has_body and not any(name.lower() == "content-length" for name, _ in self.fields):
            lines.append(f"Content-Length: {len(body) + (10 if self.how == 'short' else 0)}")
        head = self.before + ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if method == "HEAD" or not has_body:
            return head
        if self.how in ("chunked", "cut"):
            body = b"%x\r\n%s\r\n" % (len(body), body)
            if self.how == "chunked":
                body += b"0\r\n" + b"".join(f"{n}: {v}\r\n".encode() for n, v in self.trailers) + b"\r\n"
        return head + body

    @property
    def ends(self):
        return self.how in ("close", "short", "cut")

    def __repr__(self):
        return f"{self.status} {self.fields}"


def ok(cache_control=None, **rest):
    return Answer(200, cache_control, **rest)


def says(status, cache_control=None, **rest):
    return Answer(status, cache_control, reason="Said", **rest)


def unmodified(cache_control=None, **rest):
    return Answer(304, cache_control, reason="Not Modified", **rest)


DOWN = None                 # the origin closes the connection and says nothing


# ---- steps --------------------------------------------------------------------------------------

class Ask:
    """One request. send: fields of the request; status: wanted of the answer; has: fields wanted of it
    (None: must not be there; a function: judges the value); sent: the same of what the origin saw;
    of: which of the origin's bodies, counted from 1; not_of: which it may not be; like: of which path;
    part: that piece of the body (first, last); body: exact bytes; check: a function of the answer."""

    def __init__(self, method, expect, *answer, path="", send=(), status=None, has=None, sent=None,
                 of=None, not_of=None, like=None, part=None, body=None, check=None, host="localhost",
                 content=None, asked=None):
        self.method = method
        self.expect = expect
        self.answer = answer            # () leaves the one in force
        self.path = path
        self.send = list(send.items()) if isinstance(send, dict) else list(send)
        self.status = status
        self.has = has or {}
        self.sent = sent or {}
        self.of = of
        self.not_of = not_of
        self.like = like
        self.part = part
        self.body = body
        self.check = check
        self.host = host
        self.content = content
        self.asked = asked              # how often the origin was asked

    def __repr__(self):
        return f"{self.method} {self.path} {self.send or ''}: {self.expect}"


def get(expect, *answer, **rest):
    return Ask("GET", expect, *answer, **rest)


def head(expect, *answer, **rest):
    return Ask("HEAD", expect, *answer, **rest)


def ask(method, expect, *answer, **rest):
    return Ask(method, expect, *answer, **rest)


class Wait:
    def __init__(self, seconds):
        self.seconds = seconds

    def __repr__(self):
        return f"wait {self.seconds} s"


def wait(seconds):
    return Wait(seconds)


# What has a lifetime of two seconds is stale after this, for a clock of whole seconds as well. One
# second would do, were it not for machines so busy that an answer takes longer to come.
EXPIRE = wait(3.1)


class Case:
    """source: number and section of the RFC."""

    def __init__(self, title, source, *steps):
        self.title = title
        self.source = source
        self.steps = steps

    @property
    def waits(self):
        """It takes a second or longer."""
        return any(isinstance(step, Wait) or any(getattr(answer, "delay", 0) >= 1 for answer in step.answer)
                   for step in self.steps)

    def __repr__(self):
        return f"{self.source}: {self.title}".replace(" ", "-")


def between(first, last):
    """Judges a field that is a whole number."""
    def judge(value):
        return value is not None and value.isdigit() and first <= int(value) <= last
    judge.__name__ = f"between {first} and {last}"
    return judge


def present(value):
    return value is not None
