"""scripts.serve as a command: what it refuses, the names of its address, and its end by Ctrl-C."""
import socket

import pytest

pytest.importorskip("waitress", reason="the page needs waitress: pip install -e \".[serve]\"")
pytest.importorskip("flask", reason="the page needs Flask: pip install -e \".[serve]\"")

from scripts import serve  # noqa: E402
from scripts.commandline.command import run  # noqa: E402
from scripts.web import application, server  # noqa: E402
from scripts.web.service import make_app  # noqa: E402
from scripts.web.worker import Worker  # noqa: E402


def ended(*arguments):
    """The exit code of the command."""
    with pytest.raises(SystemExit) as end:
        run(lambda: serve.main(["RUN", "--scenes", *arguments]))
    return end.value.code


@pytest.fixture
def interrupted(monkeypatch):
    """Ctrl-C comes as soon as a service without a model listens -> the host names that it was given."""
    found = []

    def make_service(run, encoder, options, scenes, names, allow_unknown):
        found.append(names)
        return make_app(None, Worker(), {}, names=names), Worker(), None

    def interrupt():
        raise KeyboardInterrupt

    def make_server(*args):
        made = real(*args)
        made._tend = interrupt                              # of this one: others run beside it
        return made
    real = server.make_server
    monkeypatch.setattr(application, "make_service", make_service)
    monkeypatch.setattr(server, "make_server", make_server)
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "LOCALHOST", "127.1"])
def test_a_loopback_address_is_one_however_it_is_spelt(host, interrupted, capsys):
    assert ended("--host", host, "--name", "Captions.example", "--port", "0") == 130
    assert interrupted[0] == {"localhost", "127.0.0.1", "::1", "captions.example"}
    assert capsys.readouterr().err == "stopped\n"


def test_an_open_address_has_any_name(interrupted):
    assert ended("--host", "0.0.0.0", "--port", "0") == 130 and interrupted == [None]


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address_may_have_brackets(interrupted, capsys):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no ::1")
    assert ended("--host", "[::1]", "--port", "0") == 130 and "::1" in interrupted[0]
    assert "http://[::1]:" in capsys.readouterr().out


@pytest.mark.parametrize("arguments, message", [
    (["--name", "http://x/"], "--name 'http://x/': expected a host name"),
    (["--name", "a b"], "--name 'a b': expected a host name"), (["--name", "x:y"], "--name 'x:y'"),
    (["--name", "a,b"], "in brackets"), (["--name", "::1"], "--name '::1'"),
    (["--threads", "0"], "--threads 0: expected at least 1"),
    (["--threads", "99999"], "--threads 99999: expected at most 128")])
def test_options_that_could_never_work_are_refused(arguments, message, interrupted, capsys):
    assert ended(*arguments, "--port", "0") == 2 and not interrupted
    told = capsys.readouterr().err
    assert message in told and told.strip().splitlines()[-1].count("expected") >= 1


@pytest.mark.parametrize("name", ["captions.example", "captions.example:8443", "[::1]:80", "bücher.example", "a_b"])
def test_names_that_browsers_use_are_taken(name):
    assert serve.parse(["RUN", "--scenes", "--name", name]).name == [name]


def test_a_host_that_is_not_there_is_said_once():
    with pytest.raises(OSError) as error:
        server.listen("nosuch.invalid", 0)
    assert str(error.value).count("nosuch.invalid") == 1 and "attempting" not in str(error.value)
