"""The manifests: built by kubectl kustomize, validated strictly, and their pod run by podman."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import pytest
import yaml

import lab
from conftest import BIN, REPOSITORY

OVERLAYS = ["demo", "endless", "example"]
VERSIONS = ["1.30", "1.33", "1.37"]


def build(overlay):
    """All objects of an overlay, by kind and name without the hash."""
    text = lab.command(str(BIN / "kubectl"), "kustomize", str(REPOSITORY / "kubernetes/overlays" / overlay))
    return text, [one for one in yaml.safe_load_all(text) if one]


def of_kind(objects, *kinds):
    """Those of the kinds."""
    return [one for one in objects if one["kind"] in kinds]


def pods(objects):
    """The pod templates of all workloads."""
    return [one["spec"]["template"] for one in of_kind(objects, "Job", "StatefulSet", "Deployment")]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_is_valid(overlay, tmp_path):
    text, objects = build(overlay)
    assert objects
    path = tmp_path / f"{overlay}.yaml"
    path.write_text(text)
    for version in VERSIONS:
        told = lab.command(str(BIN / "kubernetes-validate"), "--strict", "-k", version, str(path))
        assert "ERROR" not in told
        # One line for each object that has a schema; only the operator's own kind has none.
        assert told.count("passed for") == len(objects) - len(of_kind(objects, "PodMonitor"))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_is_confined(overlay):
    for pod in pods(build(overlay)[1]):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"] + spec.get("initContainers", []):
            confined = container["securityContext"]
            assert confined["readOnlyRootFilesystem"] is True
            assert confined["allowPrivilegeEscalation"] is False
            assert confined["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]
            assert "latest" not in container["image"] and ":" in container["image"]


@pytest.mark.parametrize(("overlay", "shards"), [("demo", 2), ("example", 3), ("endless", 4)])
def test_the_number_of_shards_is_the_same_everywhere(overlay, shards):
    objects = build(overlay)[1]
    (settings,) = [one for one in of_kind(objects, "ConfigMap") if "SOAKRIG_SHARDS" in one["data"]]
    assert settings["data"]["SOAKRIG_SHARDS"] == str(shards)
    for job in of_kind(objects, "Job"):
        assert job["spec"]["completionMode"] == "Indexed"
        assert (job["spec"]["completions"], job["spec"]["parallelism"]) == (shards, shards)
        (budget,) = of_kind(objects, "PodDisruptionBudget")
        assert budget["spec"]["minAvailable"] == shards
    for stateful in of_kind(objects, "StatefulSet"):
        assert stateful["spec"]["replicas"] == shards


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_settings_of_a_run_cannot_be_changed_under_it(overlay):
    (settings,) = [one for one in of_kind(build(overlay)[1], "ConfigMap") if "SOAKRIG_SHARDS" in one["data"]]
    assert settings["immutable"] is True and settings["metadata"]["name"] != "soakrig"


def test_what_a_job_does_about_each_exit_code(binary):
    """Every code that the command names has its rule, and none that means success."""
    told = lab.command(str(binary), "--help")
    codes = {int(code) for code in re.findall(r"^  (\d+) ", told[told.index("Exit codes:"):], re.M)}
    (job,) = of_kind(build("example")[1], "Job")
    rules = {rule["action"]: rule["onExitCodes"] for rule in job["spec"]["podFailurePolicy"]["rules"]}
    assert {rule["containerName"] for rule in rules.values()} == {"soakrig"}
    # What comes before any load ends all shards; a verdict is that of one.
    assert set(rules["FailJob"]["values"]) == {2, 104, 107}
    assert set(rules["FailIndex"]["values"]) == codes - {0, 2, 104, 107}
    assert job["spec"]["backoffLimitPerIndex"] == 0


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_stop_has_longer_than_the_grace(overlay):
    objects = build(overlay)[1]
    (settings,) = [one for one in of_kind(objects, "ConfigMap") if "SOAKRIG_GRACE" in one["data"]]
    grace = int(settings["data"]["SOAKRIG_GRACE"].removesuffix("s"))
    for workload in of_kind(objects, "Job", "StatefulSet"):
        assert workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == grace + 45


def test_rules_and_dashboards_are_the_stack_s_own_files():
    maps = {one["metadata"]["name"]: one["data"] for one in of_kind(build("demo")[1], "ConfigMap")}
    expected = {"soakrig-rules": list((REPOSITORY / "prometheus/rules").glob("*.yml"))}
    for path in (REPOSITORY / "grafana/dashboards").glob("*.json"):
        expected[f"soakrig-dashboard-{path.stem}"] = [path]
    for name, files in expected.items():
        assert {path.name: path.read_text() for path in files} == maps[name]
    assert {name for name in maps if "rules" in name or "dashboard" in name} == set(expected)


def test_no_secret_stands_in_a_manifest_but_the_demo_s_own():
    for overlay in ("example", "endless"):
        assert of_kind(build(overlay)[1], "Secret") == []


def test_the_summary_sidecar_gives_the_file_when_it_is_stopped(tmp_path):
    (pod,) = pods(build("example")[1])
    (sidecar,) = pod["spec"]["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    (tmp_path / "summary.json").write_text('{"run": 1}\n')
    script = sidecar["args"][0].replace("/data/", f"{tmp_path}/")
    process = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)  # until the trap is set, which nothing shows
    process.terminate()
    assert process.communicate(timeout=10)[0] == '{"run": 1}\n'
    assert process.returncode == 0


CONTAINERS_CONF = """[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[engine]
runtime = "runc"
"""


class Podman:
    """podman with storage of the test's own."""

    def __init__(self, directory):
        (directory / "containers.conf").write_text(CONTAINERS_CONF)
        (directory / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.environment = {**os.environ, "CONTAINERS_CONF": str(directory / "containers.conf"),
                            "HOME": str(directory), "XDG_RUNTIME_DIR": str(directory)}
        self.flags = ["podman", "--root", str(directory / "root"), "--runroot", str(directory / "run"),
                      "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file"]

    def __call__(self, *words, check=True, **options):
        done = subprocess.run([*self.flags, *words], env=self.environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, timeout=600, **options)
        assert not check or done.returncode == 0, f"podman {words}: {done.stdout}"
        return done.stdout


@pytest.fixture
def podman():
    """A podman whose pods end with the test. It wants short paths."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="pod-"))
    made = Podman(directory)
    yield made
    made("pod", "rm", "--all", "--force", check=False)
    made("system", "reset", "--force", check=False)
    shutil.rmtree(directory, ignore_errors=True)


def import_image(podman, binary, directory):
    """The image as the Dockerfile lays it out: the binary at /soakrig, and what it links to."""
    tree = directory / "image"
    (tree / "data").mkdir(parents=True)
    shutil.copy(binary, tree / "soakrig")
    listed = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False).stdout
    for library in [word for word in listed.split() if word.startswith("/")]:
        inside = tree / library.lstrip("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, inside)
    os.chown(tree / "data", 65532, 65532)
    lab.command("tar", "-C", str(tree), "-cf", str(directory / "image.tar"), ".")
    podman("import", "--change", 'ENTRYPOINT ["/soakrig"]', "--change", "USER 65532:65532",
           str(directory / "image.tar"), "localhost/soakrig:0.1.0")


@pytest.mark.slow
def test_podman_runs_the_pod_of_the_job(podman, binary, tmp_path):
    """The Job's own pod spec, with the demo's target beside it in the pod's network."""
    import_image(podman, binary, tmp_path)
    objects = build("demo")[1]
    (job,) = of_kind(objects, "Job")
    (target,) = of_kind(objects, "Deployment")
    spec = job["spec"]["template"]["spec"]
    # What podman cannot do: restartable init containers, spreading, accounts of a cluster.
    for name in ("initContainers", "topologySpreadConstraints", "serviceAccountName"):
        spec.pop(name)
    (container,) = spec["containers"]
    container["env"] = [{"name": "JOB_COMPLETION_INDEX", "value": "1"}]
    container["image"] = "localhost/soakrig:0.1.0"
    beside = target["spec"]["template"]["spec"]["containers"][0] | {"image": "localhost/soakrig:0.1.0"}
    spec["containers"] = [beside, container]
    for one in spec["containers"]:
        one.pop("readinessProbe")
        one.pop("ports")  # nothing is published from a pod without a network
    pod = {"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": "soakrig", "labels": job["spec"]["template"]["metadata"]["labels"]}, "spec": spec}
    settings = [one for one in of_kind(objects, "ConfigMap") if "SOAKRIG_SHARDS" in one["data"]]
    settings[0]["data"] |= {"SOAKRIG_URL": "http://127.0.0.1:8000", "SOAKRIG_DURATION": "8s"}
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(yaml.safe_dump_all([*settings, *of_kind(objects, "Secret"), pod]))
    podman("play", "kube", "--network", "none", "--start=false", str(manifest))
    # In the cluster an init container waits for the target; here the order of the starts does.
    podman("start", "soakrig-target")
    deadline = time.monotonic() + 180
    while "8000" not in podman("logs", "soakrig-target", check=False):
        assert time.monotonic() < deadline, "the target did not start"
        time.sleep(0.2)
    podman("start", "soakrig-soakrig")
    podman("wait", "soakrig-soakrig")
    said = podman("logs", "soakrig-soakrig", check=False)
    inspected = podman("inspect", "--format", "{{.State.ExitCode}} {{.HostConfig.ReadonlyRootfs}} {{.Config.User}}",
                       "soakrig-soakrig").strip()
    assert inspected == "0 true 65532:65532", inspected + "\n" + said[-3000:]
    assert "shard 1/2" in said
