"""Where things are: the folder of a rig, with its pumps, its link and the addresses of what runs now.

Nothing here is shared: folders are for the owner alone (0700), and so are files (0600).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import platformdirs

OWNER_FOLDER = 0o700
OWNER_FILE = 0o600
VARIABLE = "THECAL_HOME"
SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A serial number that may also name a folder."""


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of one rig. Nothing exists before ``ready``."""

    folder: Path

    @property
    def pumps(self) -> Path:
        """One folder for each pump: its durable memory, and the virtual world's truth about it."""
        return self.folder / "pumps"

    @property
    def link(self) -> Path:
        """What the link service alone owns: keys, sequence numbers, the ledger of pending commands."""
        return self.folder / "link"

    @property
    def run(self) -> Path:
        """What runs now: sockets, locks and addresses."""
        return self.folder / "run"

    @property
    def world(self) -> Path:
        """The file that anchors the time of the virtual world."""
        return self.folder / "world.json"

    @property
    def rig_socket(self) -> Path:
        """Where the host listens to the owner of the virtual world."""
        return self.run / "rig.sock"

    @property
    def service_socket(self) -> Path:
        """Where the link service listens to those who ask it."""
        return self.run / "link.sock"

    @property
    def preview_socket(self) -> Path:
        """Where the process that computes previews listens."""
        return self.run / "preview.sock"

    def pump(self, serial: str) -> Path:
        """The folder of a pump; ValueError where ``serial`` cannot name one."""
        if SERIAL.fullmatch(serial) is None:
            raise ValueError(
                f"found {serial!r} as a serial number; allowed: 1 to 64 letters, digits, '.', '_' and '-', "
                "the first one a letter or digit"
            )
        return self.pumps / serial

    def address(self, serial: str) -> Path:
        """The file with the addresses of a pump that runs now."""
        return self.run / f"{self.pump(serial).name}.address.json"

    def forget_addresses(self) -> None:
        """Take away the addresses of pumps that ran in a process that has ended."""
        for left in self.run.glob("*.address.json"):
            left.unlink(missing_ok=True)

    def serials(self) -> list[str]:
        """The pumps that live here, in the order of their names."""
        if not self.pumps.is_dir():
            return []
        return sorted(p.name for p in self.pumps.iterdir() if p.is_dir() and SERIAL.fullmatch(p.name))

    def ready(self) -> Home:
        """Make the folders where they are missing, for the owner alone; OSError where that cannot be."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=OWNER_FOLDER)
        for folder in (self.pumps, self.link, self.run):
            private_folder(folder)
        return self


def find(given: str | os.PathLike[str] | None = None) -> Home:
    """The home that ``--home`` names, else the environment's THECAL_HOME, else the user's own data folder."""
    named = given or os.environ.get(VARIABLE)
    folder = Path(named) if named else platformdirs.user_data_path("thecal", appauthor=False)
    return Home(folder.expanduser().absolute())


def private_folder(folder: Path) -> Path:
    """Make a folder for the owner alone, or take everybody else's rights to it away."""
    folder.mkdir(exist_ok=True, mode=OWNER_FOLDER)
    if folder.stat().st_mode & 0o077:
        folder.chmod(OWNER_FOLDER)
    return folder


def write_private(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Replace a file as a whole, for the owner alone; ``durable`` also against loss of power."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_FILE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
