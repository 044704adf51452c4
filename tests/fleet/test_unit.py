"""The generator's unit file: what systemd itself says of it."""

import json
import re
import shutil
import subprocess

import pytest

import lab
from conftest import ANSIBLE, BIN, REPOSITORY, Fleet


@pytest.fixture(scope="module")
def unit(tmp_path_factory, binary):
    """The rendered unit, with words that need quoting."""
    directory = tmp_path_factory.mktemp("unit")
    path = directory / "soakrig-generator.service"
    fleet = Fleet(directory, {}).secrets(vault_loadtest_user_password="not-in-here")
    fleet.play(str(REPOSITORY / "tests/fleet/render.yml"), rendered=str(path), generator_bin=str(binary),
               loadtest_url="https://example.org/a b", loadtest_slug="test", max_test_duration="8h",
               loadtest_extra_args=["--username-template=$load \"%s\""], **variables_of_the_group()).expect()
    return path


def variables_of_the_group():
    """Settings that the group's variables give in a real play, and a play elsewhere does not see."""
    return {"fleet_provider": "ec2", "ec2_count": 3, "loadtest_user_min": 0, "loadtest_user_max": 9,
            "loadtest_chattiness": 5, "loadtest_grace": 62, "soakrig_binary": "unused",
            "fleet_metrics_port": 9464, "generator_shard_index": 1, "generator_shard_count": 3}


def test_systemd_finds_no_fault(unit):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True,
                          check=False, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_systemd_finds_no_fault_in_the_unit_for_one_machine(tmp_path, binary):
    path = tmp_path / "soakrig.service"
    path.write_text((REPOSITORY / "systemd/soakrig.service").read_text().replace("/usr/local/bin/soakrig", str(binary)))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True,
                          check=False, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_its_exposure_is_low(unit):
    told = lab.command("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(unit))
    exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", told).group(1))
    assert exposure <= 2.0


def test_words_are_quoted_and_the_password_is_a_credential(unit):
    text = unit.read_text()
    assert '"--username-template=$$load \\"%%s\\""' in text
    assert '"https://example.org/a b"' in text and '"--duration=28800s"' in text and '"--shard=1/3"' in text
    assert "LoadCredential=password:/etc/soakrig/password" in text and "--password-file=%d/password" in text
    assert "not-in-here" not in text
    stop = int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.M).group(1))
    assert stop == int(re.search(r'"--grace=(\d+)s"', text).group(1)) + 45


@pytest.mark.parametrize(("written", "seconds"), [
    (90, 90), ("90", 90), ("90s", 90), ("45m", 2700), ("1h30m", 5400), ("1h 30m", 5400), ("2d", 172800)])
def test_durations(written, seconds):
    assert duration(written) == seconds


@pytest.mark.parametrize("written", ["", "1.5h", "8 hours", "m", "10x", "-5"])
def test_what_is_no_duration_is_refused(written):
    with pytest.raises(Exception, match="not a duration"):
        duration(written)


def duration(written):
    """The plays' own filter."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("soakrig_filters", ANSIBLE / "filter_plugins/soakrig.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.duration_seconds(written)


def test_ansible_lint_finds_nothing():
    fleet_path = f"{BIN}:/usr/bin:/bin"
    done = subprocess.run([BIN / "ansible-lint", "--offline", "--profile", "production", "--nocolor", "."], cwd=ANSIBLE,
                          capture_output=True, text=True, check=False, timeout=1200,
                          env={"PATH": fleet_path, "HOME": "/tmp"})
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_short_words_become_variables(tmp_path):
    """ansible/fleet and the just recipes, with a stand-in for ansible-playbook that shows its words."""
    show = tmp_path / "ansible-playbook"
    show.write_text("#!/usr/bin/python3\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    show.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{BIN}:/usr/bin:/bin", "ANSIBLE_VAULT_PASSWORD_FILE": "/dev/null",
                   "HOME": str(tmp_path)}
    words = ["l=7", "h=1000", "c=5", "n=3", "d=8h", "s=main", "--check", "-e", "ec2_region=eu-west-1"]
    expected = ["start.yml", "-e", "loadtest_user_min=7", "-e", "loadtest_user_max=1000", "-e", "loadtest_chattiness=5",
                "-e", "ec2_count=3", "-e", "max_test_duration=8h", "-e", "loadtest_slug=main", "--check",
                "-e", "ec2_region=eu-west-1"]
    place = tmp_path / "ansible"
    vault = place / "group_vars" / "all" / "vault.yml"
    vault.parent.mkdir(parents=True)
    for name in ("fleet", "justfile"):
        shutil.copy(ANSIBLE / name, place)
    calls = ([str(place / "fleet"), "up"], [str(BIN / "just"), "--justfile", str(place / "justfile"), "fleet-up"])
    with pytest.raises(RuntimeError, match="there is no vault yet"):
        lab.command(*calls[0], *words, env=environment)
    vault.write_text("vault_password: x\n")
    for call in calls:
        told = lab.command(*call, *words, env=environment)
        assert json.loads(told) == expected


def test_shell_scripts_parse():
    for script in ("ansible/fleet", "kubernetes/collect.sh", "release/dist.sh", "tests/fleet/run.sh"):
        lab.command("sh", "-n", str(REPOSITORY / script))
