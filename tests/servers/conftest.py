"""What the tests against real servers share: servers, and a way to run soakrig against them."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import lab  # noqa: E402

# A run that does not end by itself ends here.
LIMIT = 300


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


class Load:
    """A run of soakrig, under way or over."""

    def __init__(self, binary, directory, server, room, arguments, password):
        self.summary_file = directory / "summary.json"
        command = [binary, "run", server.url, room, "--summary", self.summary_file, "--metrics-listen", "127.0.0.1:0",
                   "--cache-file", directory / "sessions.json", "--password-file", directory / "password",
                   "--grace", "20s", "--ramp", "50/s", "--sign-in-rate", "50/s", "--connect-rate", "50/s",
                   # A loaded machine is no reason to fail.
                   "--max-saturated", "off", "--max-late", "off", *arguments]
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

    def stop(self):
        """Asks for an orderly stop."""
        self.process.send_signal(signal.SIGTERM)

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
