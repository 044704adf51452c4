"""An embedded target whose faults can be changed, and generators against it."""

import json
import urllib.request

from stack import Stack, get, wait_for

PASSWORD = "watched-and-not-secret"


class Target:
    """One `soakrig target`, with a password for all accounts."""

    def __init__(self, stack: Stack, name: str = "target") -> None:
        self.stack = stack
        self._password = stack.work / "password"
        self._password.write_text(PASSWORD)
        self._password.chmod(0o600)
        stack.start(name, stack.soakrig, "target", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0")
        said = wait_for("the target", lambda: stack.said(name, r"target: (\S+) [\s\S]*control: (\S+)"))
        self.url, self._control = said[1], said[2]
        wait_for("the target", lambda: get(f"{self._control}/faults"))

    def faults(self, **groups: dict) -> None:
        """Sets all knobs; what is not named is well again."""
        self._send("PUT", "/faults", groups)

    def act(self, what: str, **how: object) -> None:
        """Does something once."""
        self._send("POST", "/act", {"do": what, **how})

    def generator(self, name: str, users: int, run: str = "watched", shard: str = "0/1", **flags: object) -> str:
        """A generator with short deadlines, so that verdicts come within seconds; its host:port."""
        options = {
            "user-range-max": users,
            "shard": shard,
            "run-id": run,
            "password-file": self._password,
            "cache-file": self.stack.work / f"{name}-sessions.json",
            "metrics-listen": "127.0.0.1:0",
            "delivery-deadline": "1s",
            "delivery-horizon": "4s",
            "chat-rate": "10/s",
            "leave-rate": "2/s",
            "breakout-rate": "1/s",
            "away": "1s..3s",
            "breakout-stay": "5s..15s",
            "grace": "8s",
            **{flag.replace("_", "-"): value for flag, value in flags.items()},
        }
        words = [word for flag, value in options.items() for word in (f"--{flag}", str(value))]
        self.stack.start(name, self.stack.soakrig, "run", self.url, "test", *words)
        said = wait_for(name, lambda: self.stack.said(name, r"metrics on http://(\S+)/metrics"))
        address = said[1]
        wait_for(name, lambda: get(f"http://{address}/live"))
        return address

    def _send(self, method: str, path: str, body: dict) -> None:
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self._control}{path}", data, method=method)
        request.add_header("Content-Type", "application/json")
        urllib.request.urlopen(request, timeout=10).close()
