#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py BUILD KERNEL...: the same tests on several kernels and one table. A kernel is "running", the host's own,
or the version of a Debian kernel, which is emulated.
Needs root, qemu-system-x86_64 and a static busybox. Environment: OAITAP_KERNELS_REQUIRED=1: a kernel that
cannot be had is a failure; OAITAP_KERNELS_SECONDS: the most that one kernel may take (default 1500)."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import packages

TREE = pathlib.Path(__file__).resolve().parents[2]
HERE = TREE / "tests" / "kernels"
LIMIT = int(os.environ.get("OAITAP_KERNELS_SECONDS", "1500"))
REQUIRED = os.environ.get("OAITAP_KERNELS_REQUIRED", "") not in ("", "0")
STEPS = ("bpf-test", "block-test", "subset")


def say(name, text):
    print(f"test-kernels: {name}: {text}", flush=True)


def why_not():
    if os.geteuid() != 0:
        return "needs root: BPF, namespaces, and all of the host's files for the guest"
    if os.uname().machine != "x86_64":
        return "emulates x86_64 on x86_64 only"
    for tool, package in (("qemu-system-x86_64", "qemu-system-x86"), ("busybox", "busybox-static")):
        if not shutil.which(tool):
            return f"{tool} is not installed ({package})"
    if b"/ld-linux" in pathlib.Path(shutil.which("busybox")).read_bytes():
        return "busybox is not static (busybox-static)"
    return None


def initramfs(folder, build, target):
    """A cpio archive of busybox, the modules and init.sh."""
    with tempfile.TemporaryDirectory() as made:
        root = pathlib.Path(made)
        (root / "bin").mkdir()
        shutil.copy(shutil.which("busybox"), root / "bin" / "busybox")
        shutil.copytree(folder / "modules", root / "modules")
        shutil.copy(HERE / "init.sh", root / "init")
        (root / "init").chmod(0o755)
        (root / "params").write_text(f"TREE='{TREE}'\nBUILD='{build}'\n", encoding="utf-8")
        names = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*")))
        with target.open("wb") as out:
            subprocess.run(
                ["busybox", "cpio", "-o", "-H", "newc"],
                cwd=root,
                input=names.encode(),
                stdout=out,
                stderr=subprocess.DEVNULL,
                check=True,
            )


def emulated(folder, result, log, archive):
    """The command that boots a kernel; its console goes to `log`, guest.sh's lines to `result`. Without
    rcu_expedited each grace period takes seconds under emulation, and 5.10 waits for one at every load of a
    program."""
    return [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "3072",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", folder / "vmlinuz", "-initrd", archive,
        "-append", "console=ttyS0 panic=-1 loglevel=4 rcupdate.rcu_expedited=1",
        "-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
        "-serial", f"file:{log}", "-serial", f"file:{result}",
    ]  # fmt: skip


class Row:
    """A line of the table."""

    def __init__(self, name):
        self.name = name
        self.release = self.offers = "-"
        self.steps = dict.fromkeys(STEPS, "-")
        self.problem = None
        self.seconds = 0

    def failed(self):
        return bool(self.problem) or any(not text.startswith("ok") for text in self.steps.values())

    def take(self, line):
        """A line of guest.sh; what there is to say about it."""
        word, _, rest = line.strip().partition(" ")
        if word == "kernel":
            self.release = rest
            return f"Linux {rest}"
        if word == "doctor":
            self.offers = offers(rest)
            return f"offers {self.offers}"
        if word == "begin":
            self.steps[rest] = "not finished"
            return f"{rest} ..."
        if word == "end":
            step, verdict, seconds, *summary = rest.split(" ", 3)
            self.steps[step] = f"{verdict} ({seconds} s)"
            return f"{step} {verdict} in {seconds} s {' '.join(summary)}".rstrip()
        if word == "boot":
            self.problem = f"boot: {rest}"
        return line.strip()


def offers(text):
    """What `oaitap doctor --json` says of the kernel, in one cell."""
    try:
        features = json.loads(text)["features"]
        there = [f["name"] for f in features if f["present"]]
        absent = [f["name"] for f in features if not f["present"]]
    except (ValueError, KeyError, TypeError):
        return "unknown: doctor gave no JSON"
    return " ".join(there) + ("; not " + " ".join(absent) if absent else "")


def follow(row, process, result, started):
    """Reads guest.sh's lines until the process ends; ends it, by its pid, when its time is over."""
    seen, told = 0, started
    while True:
        ended = process.poll() is not None
        lines = result.read_bytes()[seen:].split(b"\n")[:-1]
        for line in lines:
            seen += len(line) + 1
            say(row.name, row.take(line.decode("utf-8", "replace")))
            told = time.monotonic()
        if ended:
            return
        now = time.monotonic()
        if now - started > LIMIT:
            row.problem = f"not done after {LIMIT} s"
            return
        if now - told > 60:
            say(row.name, f"{now - started:.0f} s so far")
            told = now
        time.sleep(0.5)


def end(process):
    """The whole group: guest.sh on the host has children."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def measure(row, command, result, log, **options):
    started = time.monotonic()
    with log.open("ab") as out:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *map(str, command)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **options,
        )  # fmt: skip
        try:
            follow(row, process, result, started)
        finally:
            code = end(process)
    row.seconds = time.monotonic() - started
    lines = result.read_text(encoding="utf-8", errors="replace").splitlines()
    if not row.problem and "finished" not in lines:
        row.problem = f"ended early (exit code {code})"


def test(name, build, cache, work):
    row = Row(name)
    log, result = cache / f"{row.name}.log", work / f"{row.name}.result"
    log.write_bytes(b"")
    result.write_bytes(b"")
    if name == "running":
        measure(row, [HERE / "guest.sh", TREE, build, result], result, log)
    else:
        say(name, "getting the kernel")
        try:
            folder = packages.kernel(name, cache)
        except packages.Unavailable as error:
            row.problem = f"skipped: {error}"
            say(name, row.problem)
            return row
        archive = work / f"{name}.cpio"
        initramfs(folder, build, archive)
        say(name, f"booting {(folder / 'release').read_text(encoding='utf-8').strip()}")
        measure(row, emulated(folder, result, log, archive), result, log)
    if row.failed():
        say(row.name, f"FAILED{': ' + row.problem if row.problem else ''}; the end of {log}:")
        sys.stdout.write(log.read_text(encoding="utf-8", errors="replace")[-3000:].replace("\r", "") + "\n")
    return row


def table(rows):
    cells = [("kernel", "release", *STEPS, "seconds", "offers")]
    for row in rows:
        cells.append(
            (row.name, row.release, *row.steps.values(), f"{row.seconds:.0f}", row.problem or row.offers)
        )
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    print()
    for line in cells:
        print(" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print(flush=True)


def main():
    build, names = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    reason = why_not()
    if reason:
        sys.exit(f"test-kernels: {reason}")
    cache = build / "kernels"
    cache.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rows = []
    with tempfile.TemporaryDirectory(prefix="oaitap-kernels-") as work:
        for name in names:
            rows.append(test(name, build, cache, pathlib.Path(work)))
    table(rows)
    skipped = [row for row in rows if (row.problem or "").startswith("skipped")]
    failed = [row for row in rows if row.failed() and (REQUIRED or row not in skipped)]
    if failed:
        sys.exit(f"test-kernels: {len(failed)} of {len(rows)} kernels failed; logs in {cache}")


if __name__ == "__main__":
    main()
