"""The plays on machines of one's own, found in an inventory, and where systemd is not in charge."""

import json
import sys

import pytest

from conftest import PASSWORD, Fleet


@pytest.mark.slow
def test_processes_on_hosts_of_an_inventory(hosts, target, key, binary, tmp_path):
    machines = hosts(2)
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"all": {
        "vars": {"fleet_machines": "inventory", "generator_supervisor": "process", "ansible_user": "root",
                 "ansible_ssh_private_key_file": str(key),
                 "ansible_ssh_common_args": f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={tmp_path}/known"},
        "hosts": {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}},
        "children": {
            "observability": {"hosts": {"localhost": {}}},
            "generators": {"hosts": {machine.name: {"ansible_host": machine.address} for machine in machines}}}}}))
    fleet = Fleet(tmp_path, {"soakrig_binary": str(binary), "loadtest_user_min": 3, "loadtest_user_max": 44,
                             "max_test_duration": "5m", "generator_nofile": 20000})
    fleet.secrets(vault_loadtest_url="http://10.77.0.1:8000", vault_loadtest_user_password=PASSWORD)
    given = ("-i", str(inventory))

    fleet.play("start.yml", *given).expect()
    again = fleet.play("start.yml", *given).expect()
    assert again.changed() == 0, again.text[-5000:]
    for machine in machines:
        shown = machine.ssh("ps -eo user,args | grep '[s]oakrig run'")
        assert shown.startswith("soakrig ") and PASSWORD not in shown
        assert machine.ssh("stat -c '%a %U' /etc/soakrig/password").strip() == "400 soakrig"
        assert "20000" in machine.ssh("grep 'open files' /proc/$(cat /var/lib/soakrig/generator.pid)/limits")

    steered = fleet.play("ctl.yml", *given, "-e", json.dumps({"ctl": ["rate", "chat=9/s"]})).expect()
    assert steered.changed() == 2, steered.text[-5000:]
    shown = fleet.play("ctl.yml", *given).expect()
    assert shown.text.count("chat 4.5/s") == 2 and shown.changed() == 0, shown.text[-5000:]

    fleet.play("collect.yml", *given).expect_collected()
    found = sorted(path.name for path in fleet.results.glob("*/*.json"))
    assert found == ["merged.json", "summary-0.json", "summary-1.json"]

    fleet.play("terminate.yml", *given).expect()
    for machine in machines:
        assert machine.ssh("ls /etc/soakrig").split() == []
        assert machine.ssh("pgrep -f 'soakrig run'", check=False) == ""
