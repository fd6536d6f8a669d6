# SPDX-License-Identifier: Apache-2.0
"""Debian's kernels from the mirror that this host's apt uses, in a private apt configuration: the host's own
package lists and packages are not touched. What a kernel needs to boot is kept unpacked for the next time."""

import lzma
import os
import pathlib
import re
import shutil
import subprocess

SUITES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie"}
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Loaded in the order of their dependencies; what a kernel has built in or lacks is left out.
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "inet_diag", "tcp_diag")


class Unavailable(Exception):
    """This kernel cannot be had here, and why."""


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise Unavailable(f"{command[0]}: {said[-1]}")
    return done.stdout


def natural(name):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


class Apt:
    """apt for one suite, with folders of its own."""

    def __init__(self, folder, suite):
        if not shutil.which("apt-get") or not os.path.exists(KEYS):
            raise Unavailable("not a Debian host: no apt-get, or none of Debian's keys")
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        source = folder / "sources.list"
        line = f"deb [arch=amd64 signed-by={KEYS}] {self.mirror()} {suite} main\n"
        source.write_text(line, encoding="utf-8")
        settings = {
            "Dir::Etc::SourceList": source,
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State::Lists": folder / "lists",
            "Dir::Cache": folder / "cache",
            "Acquire::Languages": "none",
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
        }
        self.options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    @staticmethod
    def mirror():
        """The address from which this host has Debian itself (not its updates, not others' packages)."""
        lines = pathlib.Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
        release = dict(line.split("=", 1) for line in lines if "=" in line)
        name = release.get("VERSION_CODENAME", "").strip('"')
        if release.get("ID") != "debian" or not name:
            raise Unavailable("not a Debian host: it has no mirror of Debian's kernels")
        wanted = ("Identifier: Packages", f"Release: {name}")
        targets = run("apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted)
        if not targets.split():
            raise Unavailable(f"apt has no source for {name}")
        return targets.split()[0]

    def newest(self, version):
        """The newest signed kernel of the ordinary flavour (the cloud one has no 9p)."""
        run("apt-get", *self.options, "update", timeout=300)
        names = run("apt-cache", *self.options, "pkgnames", f"linux-image-{version}.").split()
        ordinary = re.compile(rf"linux-image-{re.escape(version)}\.[0-9][0-9a-z.+~-]*?-amd64")
        found = [n for n in names if ordinary.fullmatch(n) and not re.search("-(cloud|rt)-", n)]
        if not found:
            raise Unavailable(f"the mirror has no Linux {version}")
        return max(found, key=natural)

    def download(self, package, folder):
        folder.mkdir(parents=True, exist_ok=True)
        run("apt-get", *self.options, "download", package, cwd=folder, timeout=600)
        return max(folder.glob("*.deb"), key=lambda path: path.stat().st_mtime)


def kernel(version, cache):
    """The folder with this kernel's vmlinuz, modules and `release`; downloaded unless it is there. Raises
    Unavailable."""
    folder = cache / version
    if (folder / "release").exists():
        return folder
    if version not in SUITES:
        raise Unavailable(f"no known source; known are {', '.join(SUITES)}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        apt = Apt(cache / f"apt-{version}", SUITES[version])
        package = apt.newest(version)
        unpacked = folder / "unpacked"
        run("dpkg", "-x", apt.download(package, folder), unpacked)
        release = package.removeprefix("linux-image-")
        shutil.move(unpacked / "boot" / f"vmlinuz-{release}", folder / "vmlinuz")
        lib = "lib" if (unpacked / "lib").is_dir() else "usr/lib"
        take_modules(unpacked / lib / "modules" / release, folder / "modules")
        shutil.rmtree(unpacked)
        for deb in folder.glob("*.deb"):
            deb.unlink()
        (folder / "release").write_text(release + "\n", encoding="utf-8")
    except OSError as error:
        raise Unavailable(str(error)) from None
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{error.cmd[0]} took more than {error.timeout:.0f} s") from None
    finally:
        shutil.rmtree(cache / f"apt-{version}", ignore_errors=True)
    return folder


def module_bytes(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def take_modules(source, target):
    """Copies MODULES and all that they depend on, uncompressed, and writes `order`. modules.dep is made only
    when the package is installed, so each module's own list is read."""
    target.mkdir()
    paths = {path.name.split(".ko")[0].replace("-", "_"): path for path in source.rglob("*.ko*")}
    order = []

    def take(name):
        if name in order or name not in paths:
            return
        data = module_bytes(paths[name])
        depends = re.search(rb"\0depends=([^\0]*)\0", data)
        for other in depends.group(1).decode().split(",") if depends else ():
            take(other.replace("-", "_"))
        (target / name).write_bytes(data)
        order.append(name)

    for name in MODULES:
        take(name)
    if "9p" not in order:
        raise Unavailable("the package has no 9p module")
    (target / "order").write_text("".join(f"{name}\n" for name in order), encoding="utf-8")
