"""Where things lie on this machine, and as which account the servers run.

PostgreSQL refuses to run as root and the portal should not, so root hands everything to the owner
of the checkout, or to `nobody` when that is root as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST_SOCKET_PATH = 90  # the kernel takes 107 bytes; the servers' file names need the rest


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine; what is started as it can do no more than it can."""

    name: str
    uid: int
    gid: int

    def reaches(self, *command: str) -> bool:
        """Whether this command, run as the account, ends well."""
        try:
            done = subprocess.run(command, capture_output=True, **self.identity())
        except OSError:
            return False
        return bool(done.returncode == 0)

    def identity(self) -> dict[str, Any]:
        """What `subprocess` needs to become this account; nothing when it already is."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of one running portal. `servers` owns PostgreSQL's and Valkey's files, `portal`
    those of the portal's own processes; both are one account unless it cannot read the checkout."""

    root: Path
    var: Path
    run: Path
    servers: Account
    portal: Account

    @property
    def python(self) -> Path:
        return self.root / ".venv" / "bin" / "python"

    def folder(self, name: str, owner: Account | None = None, mode: int = 0o700) -> Path:
        """A folder under var/ of this owner; made when it is missing."""
        path = self.var / name
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        if owner is not None and os.geteuid() == 0:
            os.chown(path, owner.uid, owner.gid)
        return path


def plan(root: Path, var: Path | None = None) -> Layout:
    """Decide accounts and folders, and make the ones that everything else lies in."""
    servers = unprivileged(root)
    portal = servers
    python = str(root / ".venv" / "bin" / "python")
    if not servers.reaches(python, "-c", f"import os; os.listdir({str(root)!r})"):
        portal = account_of(os.geteuid())
    var = place(var or root / "var", servers)
    return Layout(root, var, sockets(var, servers), servers, portal)


def unprivileged(root: Path) -> Account:
    """Whom the servers run as: ourselves, unless we are root."""
    if os.geteuid() != 0:
        return account_of(os.geteuid())
    owner = root.stat().st_uid
    return account_of(owner) if owner != 0 else account_of(pwd.getpwnam("nobody").pw_uid)


def account_of(uid: int) -> Account:
    """The account with this number; containers often run under one that has no name."""
    try:
        found = pwd.getpwuid(uid)
    except KeyError:
        return Account(str(uid), uid, os.getgid())
    return Account(found.pw_name, uid, found.pw_gid)


def place(var: Path, servers: Account) -> Path:
    """var/ itself, or where it points to because the servers cannot enter the checkout."""
    if var.is_symlink():
        var.resolve().mkdir(mode=0o755, parents=True, exist_ok=True)
        return var.resolve()
    fresh = not var.exists()
    var.mkdir(mode=0o755, parents=True, exist_ok=True)
    if servers.reaches("/bin/ls", str(var)):
        return var.resolve()
    if not fresh and any(var.iterdir()):
        raise SystemExit(f"{servers.name} cannot enter {var}. Open its parents, or move it away.")
    var.rmdir()
    outside = Path("/var/lib") / f"portal-{short(var)}"
    outside.mkdir(mode=0o755, exist_ok=True)
    var.symlink_to(outside)
    return outside


def temporary(parent: Path | None = None) -> Path:
    """A throw-away folder that the servers' account may pass through."""
    var = Path(tempfile.mkdtemp(prefix=f"portal-{os.getpid()}-", dir=parent)).resolve()
    var.chmod(0o755)
    return var


def sweep(parent: Path) -> None:
    """Remove the throw-away folders of ours whose maker was killed more than an hour ago."""
    for path in parent.glob("portal-*-*"):
        with contextlib.suppress(OSError):
            found = path.lstat()
            maker = Path("/proc") / path.name.split("-")[1]
            old = time.time() - found.st_mtime > 3600
            if found.st_uid == os.geteuid() and old and not maker.exists():
                shutil.rmtree(path, ignore_errors=True)


def sockets(var: Path, servers: Account) -> Path:
    """The folder of the Unix sockets: only its owner may enter it, and its path is short enough."""
    run = var / "run"
    if len(os.fsencode(run)) > LONGEST_SOCKET_PATH:
        # /tmp is everybody's and may have been emptied: only a folder of ours is used again.
        if not (run.is_symlink() and run.exists() and run.stat().st_uid == servers.uid):
            shutil.rmtree(run) if run.is_dir() and not run.is_symlink() else run.unlink(True)
            run.symlink_to(tempfile.mkdtemp(prefix="portal-"))
        run = run.resolve()
    run.mkdir(exist_ok=True)
    run.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(run, servers.uid, servers.gid)
    return run


def short(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]


def readable(layout: Layout, folders: tuple[Path, ...]) -> Path:
    """The parent of these sibling folders, or of copies that the servers' account can read."""
    if all(layout.servers.reaches("/bin/ls", str(folder)) for folder in folders):
        return folders[0].parent
    copies = layout.folder("binaries", mode=0o755)
    for folder in folders:
        if not (copies / folder.name).exists():
            half = copies / f"{folder.name}.half"
            shutil.rmtree(half, ignore_errors=True)
            shutil.copytree(folder, half)
            half.rename(copies / folder.name)
    return copies
