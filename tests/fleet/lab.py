"""Hosts for the fleet's tests: real systemd as process 1, real sshd, each in a network namespace.

A host is an overlay over this machine's own root file system, booted by systemd-nspawn, so it
has this Debian's systemd, sshd and Python and shares nothing it writes. Everything lives inside
the namespaces that run.sh makes, and goes with them.
"""

import contextlib
import os
import pathlib
import subprocess
import time

BRIDGE = "labbr0"
CONTROLLER = "10.77.0.1"
CGROUPS = [p for p in map(pathlib.Path, ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")) if p.is_dir()] \
    or [pathlib.Path("/sys/fs/cgroup")]

# Control groups are not in a namespace: their names must not meet those of another run.
SESSION = os.urandom(4).hex()

TARGET = """[Unit]
Description=A host of the fleet's tests
Requires=basic.target
Wants=lab-sshd.service
After=basic.target
AllowIsolate=yes
"""
SSHD_UNIT = """[Unit]
Description=sshd

[Service]
ExecStartPre=/bin/mkdir -p /run/sshd
ExecStart=/usr/sbin/sshd -D -f /etc/ssh/lab_config
"""
SSHD_CONFIG = """Port 22
HostKey /etc/ssh/lab_host_key
AuthorizedKeysFile /etc/ssh/lab_authorized
PermitRootLogin prohibit-password
PasswordAuthentication no
SetEnv PATH=/usr/sbin:/usr/bin:/sbin:/bin
UsePAM no
StrictModes no
Subsystem sftp /usr/lib/openssh/sftp-server
"""


def command(*words, **options):
    """Run to the end; what it printed, or an error that says so."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def make_bridge():
    """The network between the controller and the hosts, once a session."""
    if BRIDGE not in command("ip", "-brief", "link"):
        command("ip", "link", "add", BRIDGE, "type", "bridge")
        command("ip", "addr", "add", f"{CONTROLLER}/24", "dev", BRIDGE)
        command("ip", "link", "set", BRIDGE, "up")


class Host:
    """One booted host: `address` to reach it, `ssh()` to ask it."""

    def __init__(self, index, directory, key):
        self.name = f"lab{index}"
        self.address = f"10.77.0.{10 + index}"
        self.directory = pathlib.Path(directory) / self.name
        self.root = self.directory / "root"
        self.key = pathlib.Path(key)
        self.process = None
        self.groups = [base / f"soakrig-lab-{SESSION}-{self.name}" for base in CGROUPS]

    def start(self):
        """Boot, and return once sshd answers."""
        self._network()
        self._files()
        for group in self.groups:
            group.mkdir(exist_ok=True)

        def enter():
            for group in self.groups:
                (group / "cgroup.procs").write_text("0")

        with open(self.directory / "console", "wb") as console:
            self.process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot",
                 "--link-journal=no", "--console=pipe", f"--machine={self.name}",
                 f"--directory={self.root}", f"--network-namespace-path=/run/netns/{self.name}",
                 "systemd.unit=lab.target"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                # /proc/sys/net belongs to the host's own network namespace: it may set it.
                env={**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"},
                preexec_fn=enter)
        self._wait_for_ssh()
        return self

    def ssh(self, line, check=True):
        """What a shell line prints there, as root."""
        done = subprocess.run(
            ["ssh", "-i", self.key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
             "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5", f"root@{self.address}", line],
            capture_output=True, text=True, check=False, timeout=60)
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {line}: {done.returncode}: {done.stderr}")
        return done.stdout

    def running(self):
        """Whether the host is still powered on."""
        return self.process is not None and self.process.poll() is None

    def stop(self):
        """Power it off and take its network and files away."""
        if self.running():
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        for words in (["umount", str(self.root)], ["umount", str(self.directory / "layer")],
                      ["ip", "link", "del", f"{self.name}-v"], ["ip", "netns", "del", self.name]):
            subprocess.run(words, capture_output=True, check=False, timeout=30)
        for group in self.groups:
            for below in sorted(group.rglob("*/"), reverse=True):
                with contextlib.suppress(OSError):
                    below.rmdir()
            with contextlib.suppress(OSError):
                group.rmdir()

    def _network(self):
        make_bridge()
        command("ip", "netns", "add", self.name)
        command("ip", "link", "add", f"{self.name}-v", "type", "veth", "peer", "name", "eth0", "netns", self.name)
        command("ip", "link", "set", f"{self.name}-v", "master", BRIDGE, "up")
        inside = ("ip", "-n", self.name)
        command(*inside, "link", "set", "lo", "up")
        command(*inside, "addr", "add", f"{self.address}/24", "dev", "eth0")
        command(*inside, "link", "set", "eth0", "up")

    def _files(self):
        layer = self.directory / "layer"
        for path in (layer, self.root):
            path.mkdir(parents=True)
        command("mount", "-t", "tmpfs", "lab", str(layer))
        for name in ("upper", "work"):
            (layer / name).mkdir()
        command("mount", "-t", "overlay", "lab", "-o",
                f"lowerdir=/,upperdir={layer}/upper,workdir={layer}/work", str(self.root))
        etc = self.root / "etc"
        (etc / "machine-id").write_text(f"{os.urandom(16).hex()}\n")
        (etc / "systemd/system/lab.target").write_text(TARGET)
        (etc / "systemd/system/lab-sshd.service").write_text(SSHD_UNIT)
        (etc / "ssh/lab_config").write_text(SSHD_CONFIG)
        (etc / "ssh/lab_authorized").write_text(self.key.with_suffix(".pub").read_text())
        command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(etc / "ssh/lab_host_key"))
        # Nothing that an earlier use of this machine left may look like this test's work,
        # and root's shell there is a plain one.
        for left in ("etc/soakrig", "var/lib/soakrig", "usr/local/bin/soakrig", "root/.bashrc", "root/.profile",
                     "root/.bash_profile"):
            command("rm", "-rf", str(self.root / left))

    def _wait_for_ssh(self):
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            if not self.running():
                break
            with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
                self.ssh("true")
                return
            time.sleep(0.3)
        raise RuntimeError(f"{self.name} did not boot:\n" + (self.directory / "console").read_text(errors="replace")[-3000:])
