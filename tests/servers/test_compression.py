"""permessage-deflate with third-party servers: npm's ws on terms of every kind, uvicorn's websockets."""

import json

import pytest

import lab
from test_servers import balances

WS = ("ws", "plain")
# uvicorn compresses where a client offers it, with windows of 12 bits.
FASTAPI = ("fastapi", str(lab.APPS / "fastapi/protocol.toml"))

CASES = {
    "with context": (WS, {"threshold": 0}),
    "without context": (WS, {"threshold": 0, "serverNoContextTakeover": True, "clientNoContextTakeover": True}),
    "small windows": (WS, {"threshold": 0, "serverMaxWindowBits": 9, "clientMaxWindowBits": 9}),
    "only long messages": (WS, {"threshold": 200}),
    "uvicorn": (FASTAPI, None),
}


def bytes_a_message(summary):
    """What a received frame has in bytes on average, as it comes."""
    messages = summary["messages"]
    return messages["received_bytes"] / sum(messages["received"].values())


@pytest.mark.parametrize("name", CASES)
def test_every_compressed_delivery_is_accounted_for(serve, soak, name):
    """The same run with compression and without: nothing is lost, and fewer bytes come."""
    (server, protocol), terms = CASES[name]
    seen = []
    for option in ("--compression=false", "--compression"):
        running = serve(server, **({"DEFLATE": json.dumps(terms)} if terms else {}))
        load = soak(running, "friday", "--protocol", protocol, "--user-range-max", 20, "--chat-rate", "10/s",
                    "--duration", "30s", option)
        code, summary = load.wait()
        assert code == 0, load.output()
        assert balances(summary), summary["deliveries"]
        assert summary["deliveries"]["expected"] > 0 and summary["deliveries"]["lost"] == 0
        assert sum(summary["anomalies"].values()) == 0, load.output()
        seen.append(bytes_a_message(summary))
    if name != "only long messages":
        assert seen[1] < 0.9 * seen[0], seen


def test_a_server_that_declines_is_no_error(serve, soak):
    """ws without permessage-deflate."""
    load = soak(serve("ws"), "friday", "--protocol", "plain", "--user-range-max", 5, "--chat-rate", "5/s",
                "--duration", "10s", "--compression")
    code, summary = load.wait()
    assert code == 0 and summary["deliveries"]["expected"] > 0, load.output()
