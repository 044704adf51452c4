"""What the tests against real servers share: servers, and a way to run soakrig against them."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import lab  # noqa: E402

# A run that does not end by itself ends here.
LIMIT = 300
# The deliveries on /metrics that arrived.
ARRIVED = r'^soakrig_deliveries_total\{[^}]*outcome="(?:on_time|late)"[^}]*\} (\S+)$'


@pytest.fixture(scope="session")
def binary():
    """The binary that SOAKRIG_BINARY names, else the one that cargo built last."""
    named = os.environ.get("SOAKRIG_BINARY")
    built = [pathlib.Path(named)] if named else [lab.REPOSITORY / "target/debug/soakrig"]
    assert built[0].exists(), f"there is no {built[0]} yet: cargo build"
    return built[0]


@pytest.fixture
def serve():
    """Starts servers by name; they end with the test."""
    running = []

    def start(name, **environment):
        recipe = lab.RECIPES[name]
        recipe.install()
        running.append(lab.Running(recipe, environment=environment))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture
def check(binary, tmp_path):
    """Runs `soakrig check`; its exit code, and what it said."""

    def run(server, room, *arguments, password="Correct-Horse-7"):
        command = [binary, "check", server.url, room, "--cache-file", tmp_path / "check.json", "--http-timeout", "60s",
                   *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SOAKRIG_")}
        done = subprocess.run([str(part) for part in command], env={**environment, "SOAKRIG_PASSWORD": password},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT,
                              text=True)
        assert password not in done.stdout
        return done.returncode, done.stdout

    return run


class Load:
    """A run of soakrig, under way or over."""

    def __init__(self, binary, directory, server, room, arguments, password):
        self.summary_file = directory / "summary.json"
        self.port = lab.free_port()
        command = [binary, "run", server.url, room, "--summary", self.summary_file,
                   "--metrics-listen", f"127.0.0.1:{self.port}",
                   "--cache-file", directory / "sessions.json", "--password-file", directory / "password",
                   "--ramp", "50/s", "--sign-in-rate", "50/s", "--connect-rate", "50/s",
                   # A loaded machine is no reason to fail: what is late or tried again is no matter here.
                   "--http-timeout", "60s", "--max-saturated", "off", "--max-late", "off", "--max-error-rate", "off",
                   *arguments]
        (directory / "password").write_text(password)
        (directory / "password").chmod(0o600)
        self.log = directory / "soakrig.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SOAKRIG_")}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command], env=environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT)

    def wait(self):
        """Its exit code and its summary, once it has ended."""
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"did not end:\n{self.output()}") from None
        summary = json.loads(self.summary_file.read_text()) if self.summary_file.exists() else None
        return code, summary

    def delivered(self):
        """How many deliveries have come on time or late until now."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
                text = answer.read().decode()
        except OSError:
            return 0
        return sum(float(value) for value in re.findall(ARRIVED, text, re.MULTILINE))

    def until_delivered(self, more):
        """Waits until so many more deliveries have come."""
        wanted = self.delivered() + more
        until = time.monotonic() + LIMIT
        while self.delivered() < wanted:
            assert self.process.poll() is None and time.monotonic() < until, f"no deliveries:\n{self.output()}"
            time.sleep(0.2)

    def stop(self):
        """Asks for an orderly stop, and returns its exit code and its summary."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def output(self):
        """What it said, at most its last 6,000 characters."""
        return self.log.read_text(errors="replace")[-6000:]


@pytest.fixture
def soak(binary, tmp_path):
    """Starts runs; what still goes on ends with the test."""
    loads = []

    def start(server, room, *arguments, password="Correct-Horse-7"):
        directory = tmp_path / str(len(loads))
        directory.mkdir()
        loads.append(Load(binary, directory, server, room, arguments, password))
        return loads[-1]

    yield start
    for load in loads:
        if load.process.poll() is None:
            load.process.kill()
            load.process.wait()
