"""What soakrig found out about servers (docs/findings-channels.md), held to what a client of another make counts."""

import time

import pytest

import tap
from conftest import LIMIT
from test_servers import balances

# No user leaves: every message should reach all.
CHANNELS = ["--protocol", "channels", "--set", "path=/ws/chat/", "--disable-event-leaving"]
USERS = 20


def until(load, what, done):
    """Waits for a condition while a run goes on."""
    end = time.monotonic() + LIMIT
    while not done():
        assert time.monotonic() < end and load.process.poll() is None, f"{what}:\n{load.output()}"
        time.sleep(0.1)


@pytest.fixture
def channels(serve):
    """Channels with its layer in memory, behind a proxy that counts."""
    proxy = tap.Tap(serve("channels").port)
    yield proxy
    proxy.close()


def test_what_a_channel_layer_drops_is_what_soakrig_calls_lost(channels, soak):
    """A trickle arrives whole. The same messages in one burst do not, and no client is told."""
    load = soak(channels, "friday", *CHANNELS, "--user-range-max", USERS, "--chat-rate", "20/s", "--duration", "10m",
                "--delivery-deadline", "45s", "--max-anomalies", "off")
    until(load, "all are connected", lambda: len(channels.arrived) == USERS)
    before = len(channels.sent)
    until(load, "a trickle", lambda: len(channels.sent) > before + 100)
    channels.hold()
    until(load, "ten messages a user are held", lambda: len(channels.held) >= 10 * USERS)
    channels.release()
    code, summary = load.stop()
    deliveries = summary["deliveries"]
    assert balances(summary), deliveries
    assert deliveries["lost"] == channels.missing() > 0, (deliveries, channels.report())
    assert code == 99 and deliveries["excused"]["total"] == 0, (deliveries, load.output())


def test_a_trickle_through_a_channel_layer_is_whole(channels, soak):
    """The same users, and nothing is held.

    At 5/s a queue of 100 holds 20 s of messages, so a busy machine does not fill it.
    """
    load = soak(channels, "friday", *CHANNELS, "--user-range-max", USERS, "--chat-rate", "5/s", "--duration", "10m",
                "--delivery-deadline", "45s", "--max-anomalies", "off")
    until(load, "all are connected", lambda: len(channels.arrived) == USERS)
    before = len(channels.sent)
    until(load, "a trickle", lambda: len(channels.sent) > before + 75)
    code, summary = load.stop()
    assert code == 0, load.output()
    assert summary["deliveries"]["lost"] == channels.missing() == 0, (
        summary["deliveries"], channels.report())


def test_idle_consumers_on_redis_py_8_end_with_1011(serve, soak):
    """Every connection on which nothing is said is ended by the server, and that is what the summary says."""
    server = serve("channels_redis8")
    load = soak(server, "friday", *CHANNELS, "--user-range-max", 5, "--disable-chat", "--duration", "30s")
    code, summary = load.wait()
    assert code == 99, load.output()
    assert "internal error by server" in load.output(), load.output()
    assert "internal_error" in str(summary["connections"]), summary["connections"]
