# SPDX-License-Identifier: Apache-2.0
"""Each exchange is its own process's, container's, unit's and pod's: of programs that end with the answer, that share a
user, and that get the pid of the one before."""

import os
import pathlib
import shutil
import subprocess
import time

import pytest

import agent as agents
import drive
import kubelet as kubelets
from conftest import REPEAT
from matrix import clients
from sandbox import OPENAI

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "support" / "asker.c"
UID, USER = 65534, "nobody"
# 1,000 exchanges in the long run.
UNITS = 14 * REPEAT
CONTAINED = 6 * REPEAT
PODS = 250
ASKED_PODS = min(PODS, 5 * REPEAT)


@pytest.fixture(scope="module")
def askers(sandbox, agent_ready):
    """One program under three names."""
    folder = sandbox.path / "askers"
    folder.mkdir()
    first = folder / "alpha"
    command = ["gcc", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-o", first, SOURCE, "-lssl", "-lcrypto"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in ("beta", "gamma"):
        shutil.copy(first, folder / name)
    return folder


def cgroup_mounts():
    """{"unified": path, "systemd": path, ...} of this host, as far as mounted."""
    found = {}
    for line in pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2":
            found["unified"] = pathlib.Path(place)
        elif kind == "cgroup":
            name = "systemd" if "name=systemd" in options.split(",") else options.split(",")[-1]
            found[name] = pathlib.Path(place)
    return found


def own_cgroup(kind):
    """Our path in that hierarchy."""
    for line in pathlib.Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        number, controllers, path = line.split(":", 2)
        if (kind == "unified" and number == "0") or controllers.split(",")[-1].removeprefix("name=") == kind:
            return path.lstrip("/")
    return ""


class Cgroups:
    """Makes cgroups below our own, and removes them."""

    def __init__(self):
        self.mounts = cgroup_mounts()
        self.name = f"oaitap-test-{os.getpid()}"
        self.tops = set()

    def make(self, kind, path):
        """Its path as events give it, and its cgroup.procs."""
        top = self.mounts[kind] / own_cgroup(kind) / self.name
        self.tops.add(top)
        folder = top / path
        folder.mkdir(parents=True, exist_ok=True)
        return "/" + str(folder.relative_to(self.mounts[kind])), folder / "cgroup.procs"

    def close(self):
        for top in self.tops:
            for folder, _, _ in os.walk(top, topdown=False):
                os.rmdir(folder)


@pytest.fixture(scope="module")
def cgroups():
    made = Cgroups()
    if "unified" not in made.mounts:
        pytest.skip("cgroup v2 is not mounted")
    yield made
    made.close()


def run_plan(sandbox, program, plan, wrapper=(), uid=UID):
    """{id: pid} of a plan's lines."""
    text = "".join(f"{line}\n" for line in plan)
    done = sandbox.run([*wrapper, program, "drive", uid], input=text.encode(), timeout=300)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.decode().splitlines()]
    assert [row[2] for row in rows] == ["0"] * len(plan), done.stderr
    return {row[0]: int(row[1]) for row in rows}


def pairs(agent, count):
    """Both events of each exchange, by the id in its request."""
    events = agent.take(2 * count, 120)
    requests = {event["message-id"]: event for event in events if event["event-type"] == "Request"}
    responses = {event["message-id"]: event for event in events if event["event-type"] == "Response"}
    assert set(requests) == set(responses) and len(requests) == count
    found = {}
    for message_id, request in requests.items():
        directive = request["messages"][-1]["content"]
        found[directive.split('"id": "')[1].split('"')[0]] = (request, responses[message_id])
    assert len(found) == count
    return found


def same_for_both(request, response):
    for key in ("process", "container", "k8s", "app"):
        assert request.get(key) == response.get(key), key


def test_units_and_reused_pids(sandbox, endpoint, askers, cgroups):
    """Two programs of one user in two services take turns with one pid; each is gone in the call after its answer. One
    service is in the unified hierarchy, one in systemd's of version 1 where there is one."""
    other = "systemd" if "systemd" in cgroups.mounts else "unified"
    alpha, alpha_procs = cgroups.make("unified", "system.slice/alpha.service")
    beta, beta_procs = cgroups.make(other, "system.slice/beta@1.service")
    root_procs = cgroups.mounts["unified"] / "cgroup.procs"
    beta_join = f"{root_procs},{beta_procs}" if other != "unified" else beta_procs
    ids = [drive.new_id() for _ in range(UNITS)]
    plan = [
        f"{one} {OPENAI} {int(number > 0)} {askers / ('beta' if number % 2 else 'alpha')} "
        f"{beta_join if number % 2 else alpha_procs}"
        for number, one in enumerate(ids)
    ]
    with agents.Agent(sandbox.path / "agent-units") as agent:
        pids = run_plan(sandbox, askers / "gamma", plan)
        found = pairs(agent, UNITS)
        status = agent.status()
    endpoint.take(UNITS)
    assert len(set(pids.values())) == 1, "the pids were to be the same"
    starts = set()
    for number, one in enumerate(ids):
        request, response = found[one]
        same_for_both(request, response)
        process, name = request["process"], "beta" if number % 2 else "alpha"
        assert process["pid"] == pids[one]
        assert (process["exe"], process["comm"]) == (str(askers / name), name)
        assert process["cgroup"] == (beta if number % 2 else alpha)
        assert process["unit"] == ("beta@1.service" if number % 2 else "alpha.service")
        assert (process["uid"], process["user"]) == (UID, USER)
        assert request["app"] == ("beta@1" if number % 2 else "alpha")
        assert process["parents"][0] == {"pid": process["parent-pid"], "comm": "gamma"}
        assert len(process["parents"]) >= 3
        assert "container" not in request and "k8s" not in request and "args" not in process
        starts.add(process["start-time"])
    assert len(starts) == UNITS, "one pid, as many starts as processes"
    assert status["identity"]["kernel"] >= UNITS, status["identity"]
    assert (status["identity"]["proc"], status["identity"]["unknown"]) == (0, 0), status["identity"]


def podman(folder, root):
    """A container of that root file system, as tests/support/matrix/clients.py makes them; its storage lies where it
    would be on a host whose root is `folder`."""
    storage = folder / "var/lib/containers/storage"
    storage.parent.mkdir(parents=True)
    command = ["podman", "--root", storage, "--runroot", folder / "run", "--tmpdir", folder / "tmp"]
    command += ["--runtime", "runc", "--cgroup-manager=cgroupfs", "run", "--interactive", "--rm", "--name", "webapp"]
    command += ["--network=host", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--log-driver=none"]
    return [*command, "--cidfile", folder / "cid", "--rootfs", root]


def test_containers(sandbox, endpoint, askers):
    """The same in a real container: its programs are gone with their answers, and the container with the last."""
    for tool in ("podman", "runc"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    root = sandbox.path / "asker-root"
    for name in ("proc", "sys", "dev", "etc", "tmp", "run", "work"):
        (root / name).mkdir(parents=True)
    shutil.copy(askers / "alpha", root / "gamma")
    for path in clients.libraries(askers / "alpha"):
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(0o755)
    host = sandbox.path / "host"
    host.mkdir()
    ids = [drive.new_id() for _ in range(CONTAINED)]
    plan = [f"{one} {OPENAI} 0 /gamma -" for one in ids]
    identity = {"host_root": host, "args": "true"}
    with agents.Agent(sandbox.path / "agent-containers", identity=identity) as agent:
        run_plan(sandbox, "/gamma", plan, wrapper=podman(host, root))
        found = pairs(agent, CONTAINED)
        status = agent.status()
    endpoint.take(CONTAINED)
    container = (host / "cid").read_text(encoding="ascii").strip()
    for one in ids:
        request, response = found[one]
        same_for_both(request, response)
        process = request["process"]
        assert (process["exe"], process["comm"], process["uid"]) == ("/gamma", "gamma", UID)
        assert process["args"] == ["/gamma", "ask", OPENAI, one]
        assert process["cgroup"].endswith(f"/libpod-{container}")
        assert request["container"] == {"id": container, "name": "webapp", "runtime": "podman"}
        assert request["app"] == "webapp"
        assert process["parents"][0]["comm"] == "gamma" and process["parents"][1]["comm"] == "conmon"
    assert status["identity"]["unknown"] == 0, status["identity"]


def pod_cgroup(cgroups, number, truth):
    uid = truth["pod-uid"].replace("-", "_")
    slices = f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice"
    return cgroups.make("unified", f"{slices}/cri-containerd-{kubelets.container_id(number)}.scope")[1]


def ask_pods(sandbox, endpoint, askers, cgroups, truths, agent):
    """{number: events} of one exchange from each pod."""
    ids = {drive.new_id(): number for number in truths}
    plan = [
        f"{one} {OPENAI} 0 {askers / 'alpha'} {pod_cgroup(cgroups, number, truths[number])}"
        for one, number in ids.items()
    ]
    run_plan(sandbox, askers / "gamma", plan)
    found = pairs(agent, len(ids))
    endpoint.take(len(ids))
    return {number: found[one] for one, number in ids.items()}


def wait_for_list(agent, count):
    deadline = time.monotonic() + 20
    while agent.status()["identity"]["kubelet-lists"] < count:
        assert time.monotonic() < deadline, agent.messages()
        time.sleep(0.1)


def kubelet_options(kubelet):
    return {"kubelet": kubelet.url, "kubelet_token": kubelet.token_path, "kubelet_ca": kubelet.cert}


def test_pods(sandbox, endpoint, askers, cgroups):
    """250 pods, and no call for any event: the list is fetched once, and again for a pod that is new; a pod that is gone
    keeps its names; a token that is rotated is read again."""
    made = [kubelets.make_pod(number) for number in range(PODS)]
    kubelet = kubelets.Kubelet(sandbox.path / "kubelet", [pod for pod, _ in made[:-1]])
    step = PODS // ASKED_PODS
    truths = {number: made[number][1] for number in range(0, PODS - 1, step)}
    try:
        with agents.Agent(sandbox.path / "agent-pods", identity=kubelet_options(kubelet)) as agent:
            wait_for_list(agent, 1)
            before = kubelet.requests
            for number, events in ask_pods(sandbox, endpoint, askers, cgroups, truths, agent).items():
                same_for_both(*events)
                truth = truths[number]
                assert events[0]["k8s"] == truth
                assert events[0]["container"]["id"] == kubelets.container_id(number)
                assert events[0]["app"] == truth["labels"].get("app.kubernetes.io/name", truth["workload"])
            # At most the lists that are due every 30 s, whatever the events.
            assert kubelet.requests - before <= 1 + ASKED_PODS // 50
            kubelet.rotate("made-up-token-2")
            kubelet.pods = [made[-1][0]]
            last = {PODS - 1: made[-1][1]}
            first = ask_pods(sandbox, endpoint, askers, cgroups, last, agent)[PODS - 1][0]["k8s"]
            if "pod" not in first:
                assert first == {"pod-uid": made[-1][1]["pod-uid"], "problem": first["problem"]}
                assert "metadata is missing" in first["problem"]
            wait_for_list(agent, agent.status()["identity"]["kubelet-lists"] + ("pod" not in first))
            again = ask_pods(sandbox, endpoint, askers, cgroups, last, agent)[PODS - 1]
            assert again[0]["k8s"] == made[-1][1]
            gone = ask_pods(sandbox, endpoint, askers, cgroups, {0: truths[0]}, agent)[0]
            assert gone[0]["k8s"] == truths[0]
            assert kubelet.refused == 0
    finally:
        kubelet.close()


def test_kubelet_down(sandbox, endpoint, askers, cgroups):
    """Nothing is guessed: the ids of the cgroup, and that the rest is missing. No event waits."""
    kubelet = kubelets.Kubelet(sandbox.path / "kubelet-down", [])
    kubelet.close()
    truths = {number: kubelets.make_pod(number)[1] for number in range(2)}
    with agents.Agent(sandbox.path / "agent-down", identity=kubelet_options(kubelet)) as agent:
        for number, events in ask_pods(sandbox, endpoint, askers, cgroups, truths, agent).items():
            for event in events:
                assert set(event["k8s"]) == {"pod-uid", "problem"}
                assert event["k8s"]["pod-uid"] == truths[number]["pod-uid"]
                assert "metadata is missing" in event["k8s"]["problem"]
                assert event["container"]["id"] == kubelets.container_id(number)
                assert set(event["container"]) == {"id", "runtime", "problem"}
                assert event["app"] == "alpha"
        assert "gives no list of pods" in agent.messages()


def test_kubelet_not_trusted(sandbox, endpoint, askers, cgroups):
    """A kubelet whose certificate nobody vouches for is not believed, nor shown the token."""
    pod, truth = kubelets.make_pod(3)
    kubelet = kubelets.Kubelet(sandbox.path / "kubelet-false", [pod])
    other = sandbox.path / "other-ca"
    other.mkdir()
    cert, _ = kubelets.make_certificate(other)
    try:
        identity = {**kubelet_options(kubelet), "kubelet_ca": cert}
        with agents.Agent(sandbox.path / "agent-false", identity=identity) as agent:
            wait_for_list(agent, 1)
            events = ask_pods(sandbox, endpoint, askers, cgroups, {3: truth}, agent)[3]
            assert set(events[0]["k8s"]) == {"pod-uid", "problem"}
        assert kubelet.requests == 0
    finally:
        kubelet.close()
