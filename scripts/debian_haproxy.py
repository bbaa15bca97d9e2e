"""The HAProxy of some Debian release, unpacked beside its own libraries.

Decides which archive is asked (the one that this machine's own apt is set up for, so no address stands
here), which packages are taken (haproxy and the libraries that it needs) and how the result is started
(by the dynamic loader of that release, so the C library of this machine plays no part).

Nothing is installed and root is not needed: apt works on a private state in the folder, checks the
archive's signature as always, and the packages are only unpacked.
"""

from __future__ import annotations

import contextlib
import fcntl
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

# Debian's keyring on Debian 12.10 and later also holds the keys that sign trixie and sid.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# One release takes 10-20 s on two cores; past this, the network is not worth waiting for.
FETCH_SECONDS = 100.0
# "Depends: libssl3t64" in `apt-cache depends`; alternatives ("|Depends") and virtual packages ("<...>")
# never stand for a library here.
_DEPENDS = re.compile(r"^\s+(?:Pre)?Depends: ([a-z0-9][a-z0-9.+-]*)(?::any)?$")
_LIBRARY = re.compile(r"lib|zlib1g")


class UnavailableError(Exception):
    """A release's HAProxy can't be had; the text is the reason, for a person."""


def start_command(root: Path) -> tuple[str, ...]:
    """How to start the HAProxy unpacked under `root`: its loader, its library path, its binary."""
    libraries = sorted(p for base in ("lib", "usr/lib") for p in (root / base).glob("*-linux-gnu*") if p.is_dir())
    # The entries under /lib64 may be absolute links into this machine's own C library.
    loaders = [f for folder in libraries for f in folder.glob("ld-linux-*.so.*") if not f.is_symlink()]
    loaders += [f for f in (root / "usr/lib").glob("ld-linux-*.so.*") if not f.is_symlink()]
    binary = root / "usr/sbin/haproxy"
    if not loaders or not binary.is_file():
        raise UnavailableError(f"{root} holds no loader and haproxy: remove the folder to unpack it again")
    return (str(loaders[0]), "--library-path", ":".join(map(str, libraries)), str(binary))


def unpack(release: str, target: Path, package: str = "haproxy", *, libraries: bool = True) -> None:
    """Download and unpack `release`'s package under `target`; at once when it is there already.

    `libraries`: with all that it needs, so that it runs on another release. Raises `UnavailableError` with the
    reason. `target` appears whole or not at all.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_suffix(".lock")):
        if target.is_dir():
            return
        work = target.with_suffix(".new")
        shutil.rmtree(work, ignore_errors=True)
        try:
            _Apt(release, work / "apt").unpack_into(work / "root", package, libraries)
            (work / "root").rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class _Apt:
    """Apt with a private state that knows one release of the machine's own archive."""

    def __init__(self, release: str, folder: Path) -> None:
        self._deadline = time.monotonic() + FETCH_SECONDS
        self._folder = folder
        for sub in ("state/lists/partial", "cache/archives/partial", "debs"):
            (folder / sub).mkdir(parents=True)
        (folder / "state/status").touch()
        trust = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
        (folder / "sources.list").write_text(f"deb {trust}{self._archive()} {release} main\n")
        self._options = _as_options(
            {
                "Dir::State": f"{folder}/state",
                "Dir::State::status": f"{folder}/state/status",
                "Dir::Cache": f"{folder}/cache",
                # Some images switch these files off, and every call would then read the index anew.
                "Dir::Cache::pkgcache": "pkgcache.bin",
                "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
                "Dir::Etc::sourcelist": f"{folder}/sources.list",
                "Dir::Etc::sourceparts": "-",
                "Dir::Etc::preferencesparts": "-",
                "Acquire::Languages": "none",
                "Acquire::Retries": "2",
                "Acquire::http::Timeout": "20",
                # Without it `update` says "W:" and exits 0 when the archive is out of reach.
                "APT::Update::Error-Mode": "any",
            }
        )

    def unpack_into(self, root: Path, package: str, libraries: bool) -> None:
        self._run("apt-get", *self._options, "--quiet", "update")
        packages = self._libraries_of(package) if libraries else [package]
        self._run("apt-get", *self._options, "--quiet", "download", *packages)
        for file in sorted((self._folder / "debs").glob("*.deb")):
            self._run("dpkg-deb", "--extract", str(file), str(root))

    def _archive(self) -> str:
        """The address that this machine's apt uses for its own release, whatever that is."""
        release = platform.freedesktop_os_release()
        codename = release.get("VERSION_CODENAME", "")
        if release.get("ID") != "debian":
            raise UnavailableError("this machine is no Debian, so its apt knows no Debian archive")
        known = self._run(
            "apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Release: {codename}"
        ).split()
        if not known:
            raise UnavailableError(f"this machine's apt has no archive for {codename}")
        return known[0]

    def _libraries_of(self, package: str) -> list[str]:
        """`package` and the libraries that it needs, theirs included; no daemons, users or shells."""
        needed, waiting = {package}, [package]
        graph = self._dependencies(package)
        while waiting:
            for name in graph.get(waiting.pop(), []):
                if name not in needed and _LIBRARY.match(name):
                    needed.add(name)
                    waiting.append(name)
        return sorted(needed)

    def _dependencies(self, package: str) -> dict[str, list[str]]:
        without = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
        graph: dict[str, list[str]] = {}
        current: list[str] = []
        for line in self._run("apt-cache", *self._options, "depends", "--recurse", *without, package).splitlines():
            if not line.startswith((" ", "<", "|")):
                current = graph.setdefault(line.strip(), [])
            elif found := _DEPENDS.match(line):
                current.append(found[1])
        return graph

    def _run(self, *command: str) -> str:
        left = self._deadline - time.monotonic()
        try:
            done = subprocess.run(
                command, cwd=self._folder / "debs", capture_output=True, text=True, timeout=max(left, 0.1), check=False
            )
        except FileNotFoundError:
            raise UnavailableError(f"{command[0]} is not on this machine") from None
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"the archive took longer than {FETCH_SECONDS:.0f} s") from None
        if done.returncode:
            raise UnavailableError(_complaint(done.stderr) or f"{command[0]} ended with code {done.returncode}")
        return done.stdout


def _as_options(settings: dict[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]


def _complaint(text: str) -> str:
    """The first error that apt or dpkg wrote: the ones after it mostly follow from it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith(("E:", "Err:"))), lines[-1] if lines else "")[:300]
