# SPDX-License-Identifier: MIT
"""Fixtures: proxies and origins that end with the test, and the evidence of a failed one."""
import os
import re
import shutil
import tempfile

import pytest

from harness import netns
from harness.certs import Authority
from harness.h2_origin import H2Origin
from harness.origin import Origin
from harness.proxy import BINARY, Proxy

BASE = os.environ.get("E2E_DIR") or os.path.join(tempfile.gettempdir(), "frontdesk-e2e")


def pytest_configure(config):
    os.makedirs(BASE, exist_ok=True)
    os.chmod(BASE, 0o755)
    is_controller = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if not is_controller:
        netns.enter()


def pytest_report_header(config):
    return f"binary under test: {BINARY}"


def pytest_collection_modifyitems(items):
    """Long ones first, so that the workers end together."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for proxy in getattr(item, "proxies", []) + list(_shared_of(item)):
            proxy.keep = True
            report.sections.append((f"{proxy.directory}/nginx.conf", proxy.read("nginx.conf")))
            report.sections.append(("error.log (end)", proxy.errors()[-3000:]))
            report.sections.append(("stderr (end)", proxy.stderr()[-4000:]))


def _shared_of(item):
    maker = item.funcargs.get("shared_proxy") if hasattr(item, "funcargs") else None
    return maker.made if maker else []


class Maker:
    """Starts proxies; ends them all, checks each, throws away what nobody needs any more."""

    def __init__(self, name):
        self.name = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:40]     # the path of a socket has at most 107 bytes
        self.made = []

    def new(self):
        directory = tempfile.mkdtemp(prefix=self.name + ".", dir=BASE)
        proxy = Proxy(directory)
        proxy.keep = False
        self.made.append(proxy)
        return proxy

    def __call__(self, http=None, start=True, arguments=(), environment=None, before=None, **write):
        proxy = self.new()
        proxy.write(http, **write)
        if start:
            proxy.start(*arguments, environment=environment, before=before)
        return proxy

    def end(self):
        problems = []
        for proxy in self.made:
            try:
                proxy.stop()
            except AssertionError as error:
                proxy.keep = True
                problems.append(str(error))
            finally:
                proxy.kill()
        assert not problems, "\n".join(problems)

    def tidy(self):
        if not os.environ.get("E2E_KEEP"):
            for proxy in self.made:
                if not proxy.keep:
                    shutil.rmtree(proxy.directory, ignore_errors=True)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Signs what the tests' servers and clients show."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def proxy(request):
    maker = Maker(request.node.name)
    request.node.proxies = maker.made
    yield maker
    maker.end()
    maker.tidy()


@pytest.fixture(scope="module")
def shared_proxy(request):
    maker = Maker(request.module.__name__)
    yield maker
    maker.end()
    maker.tidy()


class Origins:
    """Makes them of one kind; `made` has all."""

    def __init__(self, kind):
        self.kind = kind
        self.made = []

    def __call__(self, *args, **kwargs):
        origin = self.kind(*args, **kwargs)
        self.made.append(origin)
        return origin

    def end(self):
        for origin in self.made:
            origin.stop()


@pytest.fixture
def origin():
    maker = Origins(Origin)
    yield maker
    maker.end()


@pytest.fixture
def h2_origin():
    maker = Origins(H2Origin)
    yield maker
    maker.end()


@pytest.fixture(scope="module")
def shared_origin():
    maker = Origins(Origin)
    yield maker
    maker.end()


@pytest.fixture(scope="module")
def back(shared_origin):
    """The origin behind `desk`."""
    return shared_origin()


@pytest.fixture(scope="module")
def desk(request, shared_proxy, back):
    """One for all tests of a module: what its CONF says."""
    return shared_proxy(request.module.CONF, O=back)


@pytest.fixture(autouse=True)
def reset_back(request):
    """Each test finds it as if new. Who has one of his own looks after it himself."""
    if "back" in request.fixturenames and not hasattr(request.module, "back"):
        request.getfixturevalue("back").reset()
