"""The EC2 plays against a moto server, with real hosts behind the instances' addresses."""

import json
import os
import shlex
import shutil
import signal
import time

import pytest

from conftest import PASSWORD, target_counts


# For fleets whose addresses lead nowhere: fail at once, not after the patience a real night needs.
NOBODY = {"fleet_ssh_timeout": 1, "ansible_ssh_retries": 0, "ansible_ssh_timeout": 1}


# By the slug and the users of `ec2_fleet`.
FLEET = "loadtest-test-7-107"


def summaries(fleet):
    """What came home, by file name."""
    return {path.name: json.loads(path.read_text()) for path in fleet.results.glob("*/*.json")}


def has_ended(machine):
    """Whether a generator came to its end: with 0, or with what a machine busy with other work earns it (106)."""
    told = machine.ssh("systemctl show --property=ActiveState,ExecMainStatus soakrig-generator")
    unit = dict(line.split("=", 1) for line in told.split())
    return (unit["ActiveState"], unit["ExecMainStatus"]) in (("inactive", "0"), ("failed", "106"))


def wait_until(condition, seconds, what):
    """Poll with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def test_check_mode_on_an_empty_account_creates_nothing(ec2_fleet, cloud):
    fleet = ec2_fleet(["10.77.0.90", "10.77.0.91"])
    fleet.play("site.yml", "--check").expect()
    assert cloud.instances() == []
    assert not fleet.state.exists()


def test_instances_are_tagged_bounded_and_made_once(ec2_fleet, cloud):
    fleet = ec2_fleet(["10.77.0.90", "10.77.0.91"], max_test_duration="1h30m", fleet_expiry_margin="15m")
    fleet.play("provision.yml").expect()
    made = cloud.instances("running")
    tags = [{tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in made]
    assert sorted(one["soakrig:shard"] for one in tags) == ["0", "1"]
    assert {one["soakrig:fleet"] for one in tags} == {FLEET}
    assert {one["soakrig:managed"] for one in tags} == {"true"}
    assert len({one["soakrig:run"] for one in tags}) == 1
    for one in made:
        # The newest of the publisher's, not the newest of anybody who chose that name.
        assert one["ImageId"] == "ami-0d130000000000e01"
        assert one["KeyName"] == "loadtest"
        assert [group["GroupId"] for group in one["SecurityGroups"]] == [cloud.group]
        end = cloud.ec2.describe_instance_attribute(
            InstanceId=one["InstanceId"], Attribute="instanceInitiatedShutdownBehavior")
        assert end["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"
        assert "shutdown -h +105 " in user_data(cloud, one)
    again = fleet.play("provision.yml").expect()
    assert again.changed() == 0, again.text
    assert {one["InstanceId"] for one in cloud.instances()} == {one["InstanceId"] for one in made}
    refused = fleet.play("provision.yml", loadtest_chattiness=9).expect(code=1)
    assert "holds run" in refused.text
    # In another terminal, with a range of its own: a fleet of its own.
    other = {"loadtest_user_min": 107, "loadtest_user_max": 500, "fleet_state_dir": str(fleet.directory / "other")}
    fleet.play("provision.yml", **other).expect()
    assert len(cloud.instances()) == 2 * len(made)
    fleet.play("terminate.yml", **other).expect()
    assert {one["InstanceId"] for one in cloud.instances()} == {one["InstanceId"] for one in made}
    assert fleet.play("terminate.yml").expect().changed() > 0
    assert cloud.instances() == []


@pytest.mark.parametrize(("variables", "image"), [
    ({"ec2_image": "ami-0d13000000000d001"}, "ami-0d13000000000d001"),
    ({"ec2_image_family": "ubuntu"}, "ami-0b240000000000e01"),
    ({"ec2_image_architecture": "arm64"}, "ami-0d13000000000a0a1"),
])
def test_the_image_follows_the_variables(ec2_fleet, cloud, variables, image):
    ec2_fleet(["10.77.0.90"]).play("provision.yml", **variables).expect()
    assert cloud.instances()[0]["ImageId"] == image


def test_a_failure_while_provisioning_leaves_nothing(ec2_fleet, cloud):
    # The wait looks for a state that no instance will have, so the play fails after all of them were made.
    fleet = ec2_fleet(["10.77.0.90", "10.77.0.91"])
    failed = fleet.play("site.yml", ec2_count=3, provision_wait_tries=1,
                        provision_filters={"tag:soakrig:fleet": FLEET, "instance-state-name": ["stopped"]})
    failed.expect(code=1)
    assert len(cloud.instances("terminated")) == 3, failed.text[-3000:]
    assert cloud.instances() == []


def test_an_unreachable_host_ends_the_run_and_the_instances(ec2_fleet, cloud):
    fleet = ec2_fleet(["10.77.0.90", "10.77.0.91"], **NOBODY)
    failed = fleet.play("site.yml").expect(code=1)
    assert "0 of 2 summaries arrived" in failed.text
    assert len(cloud.instances("terminated")) == 2
    assert cloud.instances() == []
    assert not (fleet.state / "run.json").exists()


@pytest.mark.slow
def test_a_whole_run(ec2_fleet, cloud, hosts, target):
    fleet = ec2_fleet(hosts(3), max_test_duration=20)
    fleet.play("site.yml").expect_collected()
    found = summaries(fleet)
    assert sorted(found) == ["merged.json", "summary-0.json", "summary-1.json", "summary-2.json"]
    shards = [found[f"summary-{index}.json"] for index in range(3)]
    assert len({one["run"]["id"] for one in shards}) == 1
    # Disjoint, complete, and of the same size but for one user.
    assert [(one["users"]["min"], one["users"]["max"]) for one in shards] == [(7, 40), (40, 73), (73, 107)]
    merged = found["merged.json"]
    assert (merged["users"]["min"], merged["users"]["max"]) == (7, 107)
    for part in ("deliveries", "remote"):
        books = [one["deliveries"] if part == "deliveries" else one["remote"]["deliveries"] for one in [merged, *shards]]
        assert books[0]["expected"] == sum(one["expected"] for one in books[1:]) > 0
        assert books[0]["on_time"] == sum(one["on_time"] for one in books[1:])
        assert books[0]["lost"] == 0
    # Both sides of the wire counted the same.
    counts = target_counts()
    assert merged["messages"]["sent"]["chat"] == counts["received"]["chats"]
    assert merged["messages"]["received"]["chat"] == counts["sent"]["chats_written"]
    assert counts["accounts"]["signed_up"] == merged["users"]["target"] == 100
    assert len(cloud.instances("terminated")) == 3
    assert cloud.instances() == []


@pytest.mark.slow
def test_start_twice_look_collect_and_end(ec2_fleet, cloud, hosts, target):
    machines = hosts(2)
    fleet = ec2_fleet(machines)
    fleet.play("start.yml").expect()
    again = fleet.play("start.yml").expect()
    assert again.changed() == 0, again.text[-5000:]
    dry = fleet.play("start.yml", "--check").expect()
    assert dry.changed() == 0, dry.text[-5000:]
    for index, machine in enumerate(machines):
        check_generator(machine, f"{index}/2")
    targets = json.loads((fleet.directory / "observability/prometheus/targets/fleet-loadtest-test-7-107.json").read_text())
    assert targets == [{"targets": [f"{machine.address}:9464" for machine in machines]}]
    fleet.play("status.yml").expect()
    steered = fleet.play("ctl.yml", "-e", json.dumps({"ctl": ["mark", "halfway through"]})).expect()
    assert steered.changed() == 2, steered.text[-5000:]
    fleet.play("collect.yml").expect_collected()
    for index in range(2):
        events = summaries(fleet)[f"summary-{index}.json"]["timeline"]["events"]
        assert any("halfway through" in event["text"] for event in events), events
    assert "merged.json" in summaries(fleet)
    for machine in machines:
        assert has_ended(machine)
    assert len(cloud.instances()) == 2
    fleet.play("terminate.yml").expect()
    assert cloud.instances() == []
    assert fleet.play("terminate.yml").expect().changed() == 0


def check_generator(machine, shard):
    """It runs confined, and its password is in no place where others look."""
    shown = dict(line.split("=", 1) for line in machine.ssh(
        "systemctl show soakrig-generator -p ActiveState,MainPID,DynamicUser").splitlines())
    assert shown["ActiveState"] == "active" and shown["DynamicUser"] == "yes"
    arguments = machine.ssh(f"tr '\\0' '\\n' </proc/{shown['MainPID']}/cmdline")
    assert f"--shard={shard}" in arguments
    assert machine.ssh(f"stat -c %U /proc/{shown['MainPID']}").strip() != "root"
    for place in ("ps -eo args", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ", "systemctl show soakrig-generator",
                  "cat /etc/systemd/system/soakrig-generator.service", "journalctl --no-pager"):
        assert PASSWORD not in machine.ssh(f"{place} 2>/dev/null | tr '\\0' '\\n'", check=False), place
    # No user but root finds it in any file.
    found = machine.ssh("setpriv --reuid=65534 --regid=65534 --clear-groups "
                        f"grep -rlsF {shlex.quote(PASSWORD)} /etc /run /var /usr/local /root /tmp", check=False)
    assert found == ""
    assert machine.ssh("stat -c '%a %U' /etc/soakrig/password").strip() == "400 root"


@pytest.mark.slow
def test_a_failure_halfway_ends_the_instances(ec2_fleet, cloud, hosts):
    machines = hosts(2)
    machines[1].ssh("touch /etc/soakrig")  # where a directory has to be
    fleet = ec2_fleet(machines)
    failed = fleet.play("site.yml").expect(code=1)
    assert f"Not ready: {FLEET}-1" in failed.text or f"{FLEET}-1 failed at" in failed.text
    # No run starts with a hole in it.
    assert machines[0].ssh("systemctl is-active soakrig-generator", check=False).strip() == "inactive"
    assert len(cloud.instances("terminated")) == 2
    assert cloud.instances() == []


@pytest.mark.slow
def test_the_controller_is_killed_and_the_instances_end_themselves(ec2_fleet, cloud, hosts, target):
    machines = hosts(2)
    fleet = ec2_fleet(machines, max_test_duration=90, fleet_expiry_margin=30)
    controller = fleet.begin("site.yml")
    wait_until(lambda: all("active" == machine.ssh("systemctl is-active soakrig-generator", check=False).strip()
                           for machine in machines), 300, "the generators did not start")
    os.killpg(controller.pid, signal.SIGKILL)
    controller.wait(10)
    alive = cloud.instances()
    assert len(alive) == 2
    # What the instance was given at its creation, run by a real machine: it powers itself off,
    # which the shutdown behaviour turns into its end.
    (spare,) = hosts(1)
    spare.ssh(f"cat >/root/user-data <<'USERDATA'\n{user_data(cloud, alive[0])}\nUSERDATA")
    began = time.monotonic()
    spare.ssh("sh /root/user-data")
    assert "soakrig-expiry.timer" in spare.ssh("systemctl list-timers --no-pager")
    # The second, absolute end stands too, two minutes behind the first.
    left = int(spare.ssh("echo $(( $(date -d \"$(systemctl show soakrig-expiry.timer -p NextElapseUSecRealtime --value)\" +%s)"
                         " - $(date +%s) ))"))
    assert 120 <= left <= 241
    wait_until(lambda: not spare.running(), 300, "the host outlived its time")
    assert 60 <= time.monotonic() - began <= 280
    # Later a controller with an empty memory finds and ends them by their tags.
    shutil.rmtree(fleet.state)
    fleet.play("terminate.yml").expect()
    assert cloud.instances() == []


@pytest.mark.slow
def test_one_call_ends_every_fleet(ec2_fleet, cloud):
    fleet = ec2_fleet(["10.77.0.90"])
    for slug in ("first", "second"):
        fleet.play("provision.yml", loadtest_slug=slug, fleet_state_dir=str(fleet.directory / slug)).expect()
    other = cloud.ec2.run_instances(ImageId="ami-0d130000000000e01", MinCount=1, MaxCount=1)["Instances"][0]
    assert len(cloud.instances()) == 3
    fleet.play("terminate.yml", terminate_everything=True).expect()
    assert [one["InstanceId"] for one in cloud.instances()] == [other["InstanceId"]]


def user_data(cloud, instance):
    """What the instance was given at its creation, as text."""
    import base64

    given = cloud.ec2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="userData")
    return base64.b64decode(given["UserData"]["Value"]).decode()
