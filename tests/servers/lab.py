"""Third-party chat servers, started on 127.0.0.1 from ordinary packages.

Each recipe knows how its server is installed (once, under .cache/servers), started, and told to
say which port it got. What they serve is under apps/. Everything ends with its `Running`.
"""

import contextlib
import dataclasses
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
APPS = pathlib.Path(__file__).resolve().parent / "apps"
CACHE = REPOSITORY / ".cache/servers"
# Generous: a loaded machine is no reason to fail.
PATIENCE = 120


def free_port():
    """For servers that cannot say which one they got: below the ports that the system gives to connections."""
    lowest, _ = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    while True:
        port = random.randrange(10_000, int(lowest))
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def is_listening(port):
    """Whether something accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Running:
    """A server process in a session of its own, with a directory for its files."""

    def __init__(self, recipe, port=0, environment=None):
        self.recipe = recipe
        self.environment = environment or {}
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"soakrig-{recipe.name}-"))
        self.port = port
        self.process = None
        self.start()

    @property
    def url(self):
        """The base of its HTTP addresses."""
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        """Starts it, on the port it had before if it had one, and waits until it takes connections."""
        self.port = self.port or (0 if self.recipe.says_port else free_port())
        log = self.directory / "output.log"
        command = self.recipe.command(self)
        environment = {**os.environ, "PORT": str(self.port), **self.recipe.environment(self), **self.environment}
        with log.open("ab") as output:
            begin = output.tell()
            self.process = subprocess.Popen(
                command, cwd=self.recipe.place, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True)
        until = time.monotonic() + PATIENCE
        while not self.is_up(log, begin):
            assert self.process.poll() is None and time.monotonic() < until, \
                f"{self.recipe.name} did not start:\n{log.read_text(errors='replace')[-4000:]}"
            time.sleep(0.05)

    def is_up(self, log, begin):
        """Whether its port is known and open."""
        if not self.port:
            said = re.search(self.recipe.says_port, log.read_bytes()[begin:].decode(errors="replace"))
            if not said:
                return False
            self.port = int(said.group(1))
        return is_listening(self.port)

    def send_signal(self, number):
        """Sends a signal to the server and what it started."""
        os.killpg(self.process.pid, number)

    def end(self, number=signal.SIGTERM):
        """Ends it by a signal, by force if that takes long; its port stays its own."""
        if self.process.poll() is None:
            self.send_signal(number)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.send_signal(signal.SIGKILL)
                self.process.wait(30)

    def close(self):
        """Ends it and removes its files."""
        self.end(signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)


@dataclasses.dataclass
class Recipe:
    """How one server is installed and started."""

    name: str
    # A regular expression with the port in its output; empty where it has to be told one.
    says_port: str = r"listening on (\d+)"
    # Programs that it needs, by Debian's packages.
    tools = {}

    @property
    def app(self):
        """What it serves, in this repository."""
        return APPS / self.name

    @property
    def place(self):
        """Where it is installed."""
        return CACHE / self.name

    def install(self):
        """Installs what is not there yet, and copies the application beside it."""
        self.place.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.app, self.place, dirs_exist_ok=True)

    def command(self, running):
        """The command line that starts it."""
        raise NotImplementedError

    def environment(self, running):
        """What it needs in its environment."""
        return {}


class Node(Recipe):
    """A server for Node.js; its packages are pinned in package.json."""

    tools = {"node": "nodejs", "npm": "npm"}

    def install(self):
        """Runs npm where package.json is not the one that was installed."""
        stamp = self.place / "installed.json"
        wanted = (self.app / "package.json").read_text()
        super().install()
        if not stamp.exists() or stamp.read_text() != wanted:
            subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"],
                           cwd=self.place, check=True, timeout=300)
            stamp.write_text(wanted)

    def command(self, running):
        """node server.js"""
        return ["node", "server.js"]


class Python(Recipe):
    """A server for Python in an environment of its own; its packages are pinned in requirements.txt."""

    @property
    def bin(self):
        """Where its programs are."""
        return self.place / "venv/bin"

    def requirements(self):
        """What pip installs."""
        return (self.app / "requirements.txt").read_text()

    def install(self):
        """Runs pip where the requirements are not those that were installed."""
        stamp = self.place / "installed.txt"
        wanted = self.requirements()
        super().install()
        if not stamp.exists() or stamp.read_text() != wanted:
            (self.place / "requirements.txt").write_text(wanted)
            subprocess.run([sys.executable, "-m", "venv", "--clear", self.place / "venv"], check=True, timeout=300)
            subprocess.run([self.bin / "pip", "install", "--quiet", "--disable-pip-version-check",
                            "--requirement", self.place / "requirements.txt"], check=True, timeout=600)
            stamp.write_text(wanted)


class Uvicorn(Python):
    """An ASGI application under uvicorn."""

    def command(self, running):
        """uvicorn app:app"""
        return [self.bin / "uvicorn", "app:app", "--host", "127.0.0.1", "--port", str(running.port)]


class Channels(Python):
    """A Django site with Channels under daphne, on a database of its own."""

    def environment(self, running):
        """Where its database is."""
        return {"DATABASE": str(running.directory / "site.sqlite3"), "PYTHONPATH": str(self.place)}

    def command(self, running):
        """Makes the tables first, then daphne."""
        python = str(self.bin / "python")
        endpoint = f"tcp:port={running.port}:interface=127.0.0.1"
        script = f'"{python}" manage.py migrate --verbosity 0 && exec "{self.bin}/daphne" -e "{endpoint}" chat.asgi:application'
        return ["sh", "-c", script]


class ChannelsOnRedis(Channels):
    """The same site with its channel layer on Debian's Redis, by other packages."""

    tools = {"redis-server": "redis-server"}

    @property
    def app(self):
        """The site is that of Channels."""
        return APPS / "channels"

    def requirements(self):
        """redis-py 8, which the layer was not written for."""
        return (self.app / "requirements-redis8.txt").read_text()

    def environment(self, running):
        """Where Redis is: on a port that was free a moment ago."""
        running.redis = getattr(running, "redis", None) or free_port()
        return {**super().environment(running), "REDIS": f"redis://127.0.0.1:{running.redis}"}

    def command(self, running):
        """Redis in the same process group, then the site."""
        self.environment(running)
        redis = f'redis-server --bind 127.0.0.1 --port {running.redis} --save "" --dir "{running.directory}" &'
        shell, option, script = super().command(running)
        return [shell, option, f"{redis} {script}"]


class Puma(Recipe):
    """A Rails application under Debian's puma."""

    tools = {"rails": "ruby-rails", "puma": "puma"}

    def command(self, running):
        """puma with threads, one process."""
        return ["puma", "-b", f"tcp://127.0.0.1:{running.port}", "-t", "8:8", "-e", "production", "-C", "/dev/null",
                "config.ru"]


class Configured(Recipe):
    """A daemon of Debian's with a configuration file, whose @WORDS@ are filled in."""

    def configuration(self, running, file, **words):
        """The file with its words filled in, for this process alone."""
        text = (self.place / file).read_text()
        for word, value in {"PORT": running.port, "DIRECTORY": running.directory, **words}.items():
            text = text.replace(f"@{word}@", str(value))
        target = running.directory / file
        target.write_text(text)
        return target


class Prosody(Configured):
    """XMPP."""

    tools = {"prosody": "prosody"}

    def command(self, running):
        """prosody in the foreground."""
        return ["prosody", "--config", self.configuration(running, "prosody.cfg.lua")]


class Inspircd(Configured):
    """IRC."""

    tools = {"inspircd": "inspircd"}

    def command(self, running):
        """inspircd in the foreground; PING is how often it asks for a sign of life."""
        file = self.configuration(running, "inspircd.conf", PING=running.environment.get("PING", "30s"))
        return ["inspircd", f"--config={file}", "--nofork", "--runasroot"]


RECIPES = {recipe.name: recipe for recipe in [
    Node("socketio"),
    Uvicorn("python_socketio", r"running on http://127\.0\.0\.1:(\d+)"),
    Channels("channels", r"Listening on TCP address 127\.0\.0\.1:(\d+)"),
    ChannelsOnRedis("channels_redis8", r"Listening on TCP address 127\.0\.0\.1:(\d+)"),
    Puma("actioncable", r"Listening on http://127\.0\.0\.1:(\d+)"),
    Uvicorn("fastapi", r"running on http://127\.0\.0\.1:(\d+)"),
    Node("ws"),
    Node("graphql_ws"),
    Prosody("prosody", ""),
    Inspircd("inspircd", ""),
]}


def serve(name, port):
    """Runs one server until it is interrupted."""
    recipe = RECIPES.get(name) or sys.exit(f"there is no server {name}: take one of {', '.join(RECIPES)}")
    missing = [package for tool, package in recipe.tools.items() if not shutil.which(tool)]
    if missing:
        sys.exit(f"{name} needs programs that are missing: apt-get install --no-install-recommends {' '.join(missing)}")
    if is_listening(int(port)):
        sys.exit(f"something listens on port {port} already: stop it, or take another port")
    if not recipe.place.exists():
        print(f"installing {name} under {recipe.place}", flush=True)
    recipe.install()
    running = Running(recipe, port=int(port))
    print(f"{name} is at {running.url}; Ctrl-C ends it", flush=True)
    try:
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    finally:
        running.close()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    if len(sys.argv) != 3:
        sys.exit("usage: tests/servers/run.sh --serve NAME PORT")
    serve(*sys.argv[1:])
