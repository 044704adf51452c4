"""Starts the real parts on free ports of this machine, and ends them: Prometheus, Alertmanager, webhook, soakrig.

Every part logs to a file of the work directory, which is shown when something goes wrong.
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0
# Where Debian keeps what is started by name.
_PACKAGES = {"prometheus": "prometheus", "prometheus-alertmanager": "prometheus-alertmanager"}


def wait_for(what: str, probe: Callable[[], object], seconds: float = PATIENCE, pause: float = 0.1) -> object:
    """Asks until the answer is true; fails with what was waited for."""
    end = time.monotonic() + seconds
    while True:
        try:
            if answer := probe():
                return answer
        except (OSError, ValueError, KeyError, IndexError):
            pass
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(pause)


def get(url: str) -> str:
    """The body of an answer 200."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def free_port() -> int:
    """A port for a program that cannot pick its own: below those that the system gives to connections, so that none takes it meanwhile."""
    lowest, _ = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    while True:
        port = random.randrange(10_000, int(lowest))
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def _before_others() -> None:
    """Ahead of what else this machine does, where that is allowed.

    A generator that waits for the CPU calls itself saturated, and then nothing that it says is believed.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pass


class Stack:
    """Parts that end together; use it with `with`."""

    def __init__(self, soakrig: str | None = None) -> None:
        self.soakrig = soakrig
        self._directory = tempfile.TemporaryDirectory(prefix="soakrig-watch-")
        self.work = Path(self._directory.name)
        self.parts: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "Stack":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        for part in reversed(self.parts.values()):
            part.terminate()
        for part in self.parts.values():
            try:
                part.wait(20)
            except subprocess.TimeoutExpired:
                part.kill()
                part.wait()
        if kind is not None:
            for log in sorted(self.work.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text()[-1500:]}", file=sys.stderr)
        self._directory.cleanup()

    def start(self, name: str, *command: object, env: dict[str, str] | None = None) -> subprocess.Popen:
        """A part that runs until the end, its output in NAME.log."""
        if shutil.which(str(command[0])) is None:
            package = _PACKAGES.get(str(command[0]))
            raise SystemExit(f"{command[0]} is missing: " + (f"apt-get install {package}" if package else "cargo build"))
        with (self.work / f"{name}.log").open("w") as log:
            self.parts[name] = subprocess.Popen(
                [str(word) for word in command],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                preexec_fn=_before_others if command[0] == self.soakrig else None,
            )
        return self.parts[name]

    def stop(self, name: str, seconds: float = 60) -> int:
        """Asks one part to end; its exit code."""
        part = self.parts.pop(name)
        part.terminate()
        return part.wait(seconds)

    def said(self, name: str, pattern: str) -> re.Match | None:
        """What a part has printed."""
        return re.search(pattern, (self.work / f"{name}.log").read_text())

    def prometheus(self, targets: list[str], **settings: str) -> "Prometheus":
        """Prometheus with the project's configuration, rendered with these settings."""
        port = free_port()
        env = {
            "WATCH_TARGETS": ",".join(targets) or "127.0.0.1:1",
            "WATCH_PROMETHEUS": f"127.0.0.1:{port}",
            "WATCH_SCRAPE_INTERVAL": "1s",
            **settings,
        }
        config = self.work / "prometheus"
        for found in ("targets", "servers"):
            (config / found).mkdir(parents=True)
        subprocess.run([ROOT / "prometheus" / "render.sh", config], env={**os.environ, **env}, check=True)
        self.start(
            "prometheus",
            "prometheus",
            f"--config.file={config}/prometheus.yml",
            f"--storage.tsdb.path={self.work}/tsdb",
            f"--web.listen-address=127.0.0.1:{port}",
        )
        url = f"http://127.0.0.1:{port}"
        wait_for("Prometheus", lambda: get(f"{url}/-/ready"))
        return Prometheus(url)

    def watch_also(self, targets: list[str], what: str = "targets") -> None:
        """More generators, or exporters of servers, for the Prometheus that runs, found by file."""
        listed = self.work / "prometheus" / what
        listed.mkdir(exist_ok=True)
        (listed / "more.json").write_text(json.dumps([{"targets": targets}]))

    def alertmanager(self, webhook: str, **settings: str) -> str:
        """Alertmanager with the project's configuration; its host:port."""
        port = free_port()
        secret = self.work / "webhook_url"
        secret.write_text(webhook)
        config = self.work / "alertmanager"
        env = {**os.environ, "WATCH_WEBHOOK_FILE": str(secret), **settings}
        subprocess.run([ROOT / "alertmanager" / "render.sh", config], env=env, check=True)
        self.start(
            "alertmanager",
            "prometheus-alertmanager",
            f"--config.file={config}/alertmanager.yml",
            f"--storage.path={self.work}/alerts",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        )
        wait_for("Alertmanager", lambda: get(f"http://127.0.0.1:{port}/-/ready"))
        return f"127.0.0.1:{port}"

    def webhook(self) -> str:
        """The project's example receiver; its address. What it heard is in webhook.log."""
        self.start("webhook", sys.executable, ROOT / "alertmanager" / "webhook.py", "127.0.0.1:0")
        found = wait_for("the webhook", lambda: self.said("webhook", r"listening on (\S+)"))
        return f"http://{found[1]}"


class Prometheus:
    """Questions to a Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **parameters: object) -> object:
        """The data of an answer; an error of Prometheus becomes a ValueError with its words."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            return json.loads(get(url))["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(json.loads(error.read())["error"]) from None

    def query(self, expression: str) -> list[dict]:
        """Series now."""
        return self.ask("query", query=expression)["result"]

    def value(self, expression: str) -> float | None:
        """The first number now, if any."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def over(self, expression: str, start: float, end: float, step: float) -> list[dict]:
        """Series over time."""
        return self.ask("query_range", query=expression, start=start, end=end, step=step)["result"]

    def firing(self, alert: str) -> list[dict]:
        """The label sets with which an alert fires now."""
        found = self.query(f'ALERTS{{alertname="{alert}", alertstate="firing"}}')
        return [series["metric"] for series in found]
