"""What the fleet's tests share: a cloud (moto), hosts (lab.py), and a way to run a play."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3
import pytest

import lab

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
ANSIBLE = REPOSITORY / "ansible"
BIN = pathlib.Path(sys.executable).parent
REGION = "eu-central-1"
PASSWORD = "Str$ng %s \"passphrase\" 7"


def pytest_addoption(parser):
    """--quick leaves out what needs booted hosts for minutes; --lane takes one of two halves."""
    parser.addoption("--quick", action="store_true", help="leave out the tests marked slow")
    parser.addoption("--lane", choices=["cloud", "rest"], help="one of two parts that take about as long")


def in_the_cloud(item):
    """Whether a test belongs to the lane of the EC2 plays; one of the long ones goes to the other."""
    return item.path.name == "test_ec2.py" and item.name != "test_a_whole_run"


def pytest_collection_modifyitems(config, items):
    """Deselect, not skip: a test that was left out does not count as looked at."""
    lane = config.getoption("--lane")
    left = [item for item in items
            if (config.getoption("--quick") and item.get_closest_marker("slow"))
            or (lane and in_the_cloud(item) != (lane == "cloud"))]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def pytest_configure(config):
    """The one marker."""
    config.addinivalue_line("markers", "slow: boots hosts and runs plays for a minute or more")


@pytest.fixture(scope="session")
def binary(tmp_path_factory):
    """The binary that SOAKRIG_BINARY names, else the one that cargo built last; without its
    debugging symbols, since it is copied to every host."""
    named = os.environ.get("SOAKRIG_BINARY")
    built = [pathlib.Path(named)] if named else [
        path for path in (REPOSITORY / "target/debug/soakrig", REPOSITORY / "target/release/soakrig") if path.exists()]
    assert built, "there is no binary yet: cargo build"
    stripped = tmp_path_factory.mktemp("binary") / "soakrig"
    lab.command("strip", "-o", str(stripped), str(max(built, key=lambda path: path.stat().st_mtime)))
    return stripped


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    """An ssh key of the session's own."""
    path = tmp_path_factory.mktemp("ssh") / "key"
    lab.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path))
    return path


@pytest.fixture
def hosts(key):
    """A maker of booted hosts, which are powered off when the test ends."""
    made = []
    directory = tempfile.mkdtemp(prefix="soakrig-lab-")

    def make(count):
        new = [lab.Host(len(made) + i, directory, key) for i in range(count)]
        made.extend(new)
        for host in new:
            host.start()
        return new

    yield make
    for host in made:
        host.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def target(binary, tmp_path):
    """The embedded target on the lab's network."""
    lab.make_bridge()
    with open(tmp_path / "target.log", "wb") as log:
        process = subprocess.Popen([binary, "target", "--listen", "0.0.0.0:8000"], stdout=log, stderr=log)
        yield process
        process.terminate()
        process.wait(60)


def target_counts():
    """What the target itself counted; it tells that to its own machine only."""
    with urllib.request.urlopen("http://127.0.0.1:8000/_target/counts", timeout=30) as answer:
        return json.load(answer)


class Cloud:
    """A moto server with a key pair and a security group, as an AWS account would have."""

    def __init__(self, directory):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = open(directory / "moto.log", "wb")
        self.process = subprocess.Popen(
            [BIN / "moto_server", "-H", "127.0.0.1", "-p", str(port)], stdout=self.log, stderr=self.log,
            env={**os.environ, "MOTO_AMIS_PATH": str(REPOSITORY / "tests/fleet/images.json")})
        self.ec2 = boto3.client("ec2", region_name=REGION, endpoint_url=self.url,
                                aws_access_key_id="test", aws_secret_access_key="test")
        deadline = time.monotonic() + 180
        while True:
            try:
                self.ec2.create_key_pair(KeyName="loadtest")
                break
            except Exception:  # not listening yet
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        self.group = self.ec2.create_security_group(GroupName="loadtest", Description="loadtest")["GroupId"]

    def instances(self, *states):
        """Those in the states; alive without any named."""
        found = self.ec2.describe_instances(Filters=[
            {"Name": "instance-state-name", "Values": list(states) or ["pending", "running", "stopping", "stopped"]}])
        return [one for group in found["Reservations"] for one in group["Instances"]]

    def stop(self):
        """End the server, whether or not it comes to hear of it: it keeps nothing."""
        self.process.kill()
        self.process.wait(60)
        self.log.close()


@pytest.fixture
def cloud(tmp_path):
    """A fresh account."""
    made = Cloud(tmp_path)
    yield made
    made.stop()


class Outcome:
    """What a play said: its exit code, all it printed, and the recap by host."""

    def __init__(self, code, text):
        self.code = code
        self.text = text
        self.recap = {
            host: {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", rest)}
            for host, rest in re.findall(r"^(\S+)\s+: (ok=.*)$", text, re.M)}

    def changed(self):
        """Changed tasks over all hosts."""
        assert self.recap, self.text[-4000:]
        return sum(figures["changed"] for figures in self.recap.values())

    def expect(self, code=0):
        """Itself, or the play's last words."""
        assert (self.code == 0) == (code == 0), f"exit {self.code}\n{self.text[-6000:]}"
        return self

    def expect_collected(self):
        """Success, or the one verdict that a machine busy with other work earns: the generator could not keep up."""
        if "the merge ended with 106" not in self.text:
            self.expect()
        return self


class Fleet:
    """The plays with one set of variables, state in a directory of the test's own."""

    def __init__(self, directory, variables):
        self.directory = directory
        self.state = directory / "state"
        self.results = directory / "results"
        self.variables = {
            "fleet_state_dir": str(self.state), "fleet_results_dir": str(self.results),
            # The stack's files stay out of this test: a list of targets in a directory of its own.
            "observability_dir": str(directory / "observability"),
            "observability_repository": str(directory / "observability"),
            "fleet_start_delay": 1, "fleet_ssh_timeout": 30, "generator_poll_seconds": 1, **variables}
        self.vault = directory / "vault.yml"
        self.vault_password = directory / "vault-password"
        self.environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1",
                            "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0",
                            "ANSIBLE_LOCAL_TEMP": str(directory / "ansible-tmp"), "HOME": str(directory)}

    def secrets(self, **values):
        """An encrypted vault, as a user would keep it."""
        self.vault_password.write_text("vault-password\n")
        self.vault.write_text(json.dumps(values))
        lab.command(str(BIN / "ansible-vault"), "encrypt", "--vault-password-file", str(self.vault_password),
                    str(self.vault), env=self.environment)
        assert self.vault.read_text().startswith("$ANSIBLE_VAULT")
        return self

    def words(self, play, *more, **variables):
        """The command line of a play."""
        return [str(BIN / "ansible-playbook"), play, "-e", f"@{self.vault}",
                "--vault-password-file", str(self.vault_password),
                "-e", json.dumps({**self.variables, **variables}), *more]

    def play(self, play, *more, **variables):
        """Run a play to its end."""
        done = subprocess.run(self.words(play, *more, **variables), cwd=ANSIBLE, env=self.environment,
                              capture_output=True, text=True, check=False, timeout=1200, stdin=subprocess.DEVNULL)
        return Outcome(done.returncode, done.stdout + done.stderr)

    def begin(self, play, **variables):
        """Start a play and hand back its process, the head of a group of its own."""
        log = open(self.directory / "play.log", "wb")
        return subprocess.Popen(self.words(play, **variables), cwd=ANSIBLE, env=self.environment, stdout=log,
                                stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)


@pytest.fixture
def ec2_fleet(tmp_path, cloud, key, binary):
    """A maker of fleets on the cloud, whose shards are reached at the given hosts."""

    def make(reached, **variables):
        fleet = Fleet(tmp_path, {
            "ec2_region": REGION, "ec2_count": len(reached), "ec2_user": "root", "ec2_private_key_file": str(key),
            "fleet_addresses": [host if isinstance(host, str) else host.address for host in reached],
            "soakrig_binary": str(binary), "loadtest_user_min": 7, "loadtest_user_max": 107, "loadtest_slug": "test",
            "max_test_duration": 300, **variables})
        fleet.environment["AWS_ENDPOINT_URL"] = cloud.url
        return fleet.secrets(
            vault_ec2_key_name="loadtest", vault_aws_access_key="test", vault_aws_secret_key="test-secret",
            vault_ec2_security_group_id=cloud.group, vault_loadtest_url="http://10.77.0.1:8000",
            vault_loadtest_user_password=PASSWORD)

    return make
