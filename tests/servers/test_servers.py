"""Each protocol file that ships, against the server it was written for."""

import dataclasses
import signal

import pytest

import lab


@dataclasses.dataclass
class Case:
    """A server, the protocol file for it, and what of the server's abilities is looked at."""

    server: str
    protocol: str
    room: str = "friday"
    variables: tuple = ()
    # Makes the server miss a keepalive within seconds instead of a minute; a busy machine needs a few.
    keepalive: tuple = ()
    # A room that the server lets no user into, if it has one, and the name of the refusal.
    closed: str = ""
    # Whether a wrong password is refused, and an existing name noticed.
    has_passwords: bool = False
    users: int = 30
    template: str = ""

    @property
    def arguments(self):
        """The part of the command line that says what the server speaks."""
        sets = [part for variable in self.variables for part in ("--set", variable)]
        template = ["--username-template", self.template] if self.template else []
        return ["--protocol", self.protocol, *sets, *template]


CASES = [
    Case("socketio", "socketio", closed="closed", has_passwords=True,
         keepalive=(("PING_INTERVAL", "1000"), ("PING_TIMEOUT", "8000"))),
    Case("python_socketio", "socketio", closed="closed", has_passwords=True,
         keepalive=(("PING_INTERVAL", "1000"), ("PING_TIMEOUT", "8000"))),
    Case("channels", "channels", variables=("path=/ws/chat/",), closed="closed", has_passwords=True),
    Case("actioncable", "actioncable", closed="closed", has_passwords=True),
    Case("fastapi", str(lab.APPS / "fastapi/protocol.toml")),
    Case("ws", "plain"),
    Case("graphql_ws", "graphql-ws", keepalive=(("KEEP_ALIVE", "8000"),)),
    Case("prosody", "xmpp"),
    Case("inspircd", "irc", keepalive=(("PING", "8s"),)),
]
EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.server)


def of(*wanted):
    """The cases that have something."""
    cases = [case for case in CASES if all(getattr(case, what) for what in wanted)]
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.server)


def balances(summary):
    """Whether every expected delivery has exactly one outcome."""
    deliveries = summary["deliveries"]
    outcomes = sum(deliveries[outcome] for outcome in ("on_time", "late", "lost", "outstanding"))
    return deliveries["expected"] == outcomes + deliveries["excused"]["total"]


@EVERY
def test_thirty_users_leave_and_return_and_no_delivery_is_lost(serve, soak, case):
    """The main job: every delivery accounted for, none lost, with signs of life that would be missed."""
    server = serve(case.server, **dict(case.keepalive))
    load = soak(server, case.room, *case.arguments, "--user-range-max", case.users, "--chat-rate", "5/s",
                "--leave-rate", "0.5/s", "--away", "1s..3s", "--duration", "30s")
    code, summary = load.wait()
    assert code == 0, load.output()
    assert balances(summary), summary["deliveries"]
    assert summary["deliveries"]["expected"] > 0 and summary["deliveries"]["lost"] == 0
    assert sum(summary["anomalies"].values()) == 0, load.output()


@EVERY
def test_a_check_finds_what_the_file_says(serve, check, case):
    """Each shipped file is right about its server."""
    server = serve(case.server, **dict(case.keepalive))
    code, said = check(server, case.room, *case.arguments, "--user-range-max", 5)
    assert code == 0 and "WRONG" not in said and "every step works" in said, said
    assert "ok    the sender receives its own messages" in said and "ok    unchanged: letters and spaces" in said, said


@EVERY
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "terminated"])
def test_users_come_back_after_the_server_ended_and_the_books_balance(serve, soak, case, number):
    """Cut off, or closed as each server does it; then the same server again."""
    server = serve(case.server)
    load = soak(server, case.room, *case.arguments, "--user-range-max", 10, "--chat-rate", "5/s", "--duration", "10m",
                "--max-cut", "off", "--max-lost", "off")
    load.until_delivered(100)
    server.end(number)
    server.start()
    load.until_delivered(100)
    code, summary = load.stop()
    assert code == 0, load.output()
    assert balances(summary), summary["deliveries"]


@of("has_passwords")
def test_a_wrong_password_refuses_the_run(serve, soak, case):
    """The accounts exist with another password: exit code 107, and the reason is named."""
    server = serve(case.server)
    users = ["--user-range-max", 2, "--chat-rate", "1/s", "--duration", "4m"]
    first = soak(server, case.room, *case.arguments, *users)
    first.until_delivered(3)
    first.stop()
    again = soak(server, case.room, *case.arguments, *users, password="Wrong-Horse-8")
    code, _ = again.wait()
    assert code == 107, again.output()
    assert "wrong password" in again.output() or "wrong_password" in again.output()


@of("closed")
def test_a_refused_join_refuses_the_run(serve, soak, case):
    """A room that the server lets no user into."""
    server = serve(case.server)
    load = soak(server, case.closed, *case.arguments, "--user-range-max", 2, "--chat-rate", "1/s", "--duration", "10s")
    code, _ = load.wait()
    assert code in (99, 107), load.output()


def test_every_recipe_has_a_case():
    """No server is installed that nothing is tried on."""
    of_findings = {"channels_redis8"}
    assert {case.server for case in CASES} | of_findings == set(lab.RECIPES)
