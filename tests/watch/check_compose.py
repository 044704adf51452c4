#!/usr/bin/env python3
"""Checks docker-compose.yml: both Compose's understanding of it, and what the project wants of it."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import files
import yaml

COMPOSE = files.ROOT / "docker-compose.yml"
# Options that the compose file leaves alone, and why.
NOT_IN_COMPOSE = {
    "SOAKRIG_PASSWORD": "a secret, as a file",
    "SOAKRIG_READ_ONLY_CACHE": "a volume of its own has no other owner",
    "SOAKRIG_SHARDS": "for Kubernetes",
    "SOAKRIG_SOURCE_IP": "a container has one address",
    "SOAKRIG_PRESENCE": "of the target, which has flags",
    "SOAKRIG_LISTEN": "the same",
    "SOAKRIG_CONTROL": "the same",
    "SOAKRIG_PREFIX": "the same",
}


def knobs_are_listed() -> list[str]:
    """Every variable of the compose file is in .env.example, and the other way round."""
    text = COMPOSE.read_text()
    used = set(re.findall(r"\$\{(\w+)", text)) | set(re.findall(r"^ +((?:SOAKRIG|WATCH)_\w+):$", text, re.M))
    listed = set(re.findall(r"^#?([A-Z0-9_]+)=", (files.ROOT / ".env.example").read_text(), re.M))
    return [f".env.example lacks {name}" for name in sorted(used - listed)] + [
        f".env.example has {name}, which nothing reads" for name in sorted(listed - used)
    ]


def options_are_handed_on() -> list[str]:
    """Every option of a run can be set, or is set to what fits a container."""
    options = re.findall(r"^- `--([a-z0-9-]+)`(?!.*flag only)", (files.ROOT / "docs" / "configuration.md").read_text(), re.M)
    documented = {"SOAKRIG_" + name.replace("-", "_").upper() for name in ["url", "plenary", *options]}
    if len(documented) < 70:
        return [f"docs/configuration.md has only {len(documented)} options"]
    given = set(re.findall(r"SOAKRIG_\w+", COMPOSE.read_text() + (files.ROOT / "Dockerfile").read_text()))
    return [f"docker-compose.yml passes {name} to no service" for name in sorted(documented - given - set(NOT_IN_COMPOSE))]


def defaults_agree() -> list[str]:
    """A default of .env.example is the one of the compose file."""
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE.read_text()))
    shown = dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", (files.ROOT / ".env.example").read_text(), re.M))
    return [f"{name}: .env.example says {shown[name]}" for name, value in defaults.items() if shown.get(name) != value]


def services_are_locked() -> list[str]:
    """What each service must and must not have, after all merging."""
    command = ["docker-compose", "-f", COMPOSE, "--profile", "demo", "--profile", "run", "--profile", "traces", "config"]
    config = yaml.safe_load(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    faults = []
    for name, service in config["services"].items():
        if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
            faults.append(f"{name}: can write to its root, or has capabilities")
        if ":" not in service["image"] or service["image"].endswith(":latest"):
            faults.append(f"{name}: image without a version")
        faults += [f"{name}: published beyond 127.0.0.1: {port}" for port in service.get("ports", []) if not str(port).startswith("127.0.0.1:")]
        secret = re.compile(r"PASSWORD|TOKEN|SECRET", re.I)
        faults += [
            f"{name}: a secret in its environment: {key}"
            for key in service.get("environment", {})
            if secret.search(key) and not key.endswith("_FILE")
        ]
        if "build" in service and "nofile" not in service.get("ulimits", {}):
            faults.append(f"{name}: no limit for open files")
        if "build" not in service and "healthcheck" not in service and service.get("restart") != "no":
            faults.append(f"{name}: no health check")
    return faults


def the_demo_stays_the_demo() -> list[str]:
    """The profile run refuses the demo's password, webhook and targets, says each, and takes others."""
    script, faults = files.ROOT / "secrets" / "own-settings.sh", []
    own = {"SOAKRIG_URL": "https://chat.example.org", "WATCH_TARGETS": "generator:9464"}
    with tempfile.TemporaryDirectory() as directory:
        secrets = {name: Path(directory) / name for name in ("password", "webhook_url")}

        def said(settings: dict[str, str]) -> tuple[int, str]:
            env = {"PATH": os.environ["PATH"], "SECRETS_DIRECTORY": directory, **settings}
            ended = subprocess.run(["sh", script], env=env, capture_output=True, text=True)
            return ended.returncode, ended.stderr

        for path in secrets.values():
            path.write_text("of my own\n")
        if said(own) != (0, ""):
            faults.append(f"own settings are refused: {said(own)}")
        for name, path in secrets.items():
            path.write_bytes((files.ROOT / "secrets" / "demo" / name).read_bytes())
        code, words = said({})
        if code != 1 or any(name not in words for name in ("SOAKRIG_URL", "PASSWORD_FILE", "WEBHOOK_URL_FILE", "WATCH_TARGETS")):
            faults.append(f"the demo's settings are taken: {code}, {words!r}")
    return faults


def main() -> int:
    """Exit code 1 if anything is wrong."""
    faults = [fault for check in (knobs_are_listed, options_are_handed_on, defaults_agree, services_are_locked, the_demo_stays_the_demo) for fault in check()]
    schema = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE]
    if subprocess.run(schema, capture_output=True).returncode:
        faults.append("docker-compose.yml is not what the compose specification allows")
    print("\n".join(faults) or "docker-compose.yml is sound")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
