"""Real programs that tests talk to: which, where they are, which version, and what a test says that has to go without.

A program is taken from the system, or else from `.interop`, where `make interop` puts what is missing without touching
anything of the system (tests/interop/__main__.py).
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".interop"
"""What `make interop` fetched; nothing in it is under version control."""
BIN = FOLDER / "bin"
UNPACKED = FOLDER / "debian"
"""Debian's packages, each file where it would be below `/`."""
NODE_MODULES = FOLDER / "node" / "node_modules"
LIMIT = 30.0
"""Seconds that a program may take to tell its version."""


@dataclass(frozen=True, slots=True)
class Program:
    """One that is started by its name."""

    name: str
    package: str
    """That of Debian which has it."""
    shown_by: tuple[str, ...]
    """The arguments that make it tell its version."""
    version: re.Pattern[str] = re.compile(r"(\d+(?:\.\d+)+)")
    """Where the version is in what it tells then."""

    more: tuple[str, ...] = ()
    """More packages, with modules of it."""
    modules: tuple[str, ...] = ()
    """Those modules, as paths below the folder with the system's libraries: a program that lacks one is not here."""

    @property
    def path(self) -> Path | None:
        places = ((search_path(), Path("/")), (str(BIN), UNPACKED))
        found = (shutil.which(self.name, path=path) for path, root in places if self._has_modules(root))
        return next((Path(path) for path in found if path), None)

    def _has_modules(self, root: Path) -> bool:
        return all(any(root.glob(f"usr/lib/*/{module}")) for module in self.modules)

    def found(self) -> tuple[str, str] | None:
        """Its version, and where it is."""
        if (path := self.path) is None:
            return None
        done = subprocess.run(
            [path, *self.shown_by], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT
        )
        version = self.version.search(done.stdout + done.stderr)
        return version[1] if version else "?", _where(path)

    @property
    def advice(self) -> str:
        return f"{self.name} is not here: make interop, or else apt-get install {' '.join([self.package, *self.more])}"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A Python package: one with programs, or a library with native code, used by a script in tests/interop."""

    name: str
    """That of the distribution; tests/interop/requirements.txt has its version."""

    def found(self) -> tuple[str, str] | None:
        try:
            return importlib.metadata.version(self.name), "wheel"
        except importlib.metadata.PackageNotFoundError:
            return None

    @property
    def advice(self) -> str:
        return f"{self.name} is not here: make interop (it has no wheel for each system)"


@dataclass(frozen=True, slots=True)
class Module:
    """A JavaScript package for Node.js, in `NODE_MODULES`; its programs are scripts in tests/interop/node."""

    name: str
    """That of the package; tests/interop/node/package.json has its version."""

    def found(self) -> tuple[str, str] | None:
        about = NODE_MODULES / self.name / "package.json"
        if NODE.path is None or not about.exists():
            return None
        return json.loads(about.read_text())["version"], _where(NODE_MODULES)

    @property
    def advice(self) -> str:
        return f"{self.name} is not here: make interop (it needs node and npm, Debian's nodejs and npm)"


CURL = Program("curl", "curl", ("--version",))
SIPP = Program("sipp", "sip-tester", ("-v",))
SIPSAK = Program("sipsak", "sipsak", ("-V",))
KAMAILIO = Program(
    "kamailio",
    "kamailio",
    ("-v",),
    more=("kamailio-tls-modules", "kamailio-outbound-modules"),
    modules=("kamailio/modules/tls.so", "kamailio/modules/outbound.so"),
)
OPENSSL = Program("openssl", "openssl", ("version",))
BARESIP = Program("baresip", "baresip-core", ("-h",))
FAIL2BAN = Program("fail2ban-regex", "fail2ban", ("--version",))
TSHARK = Program("tshark", "tshark", ("--version",))
SNGREP = Program("sngrep", "sngrep", ("-V",))
NODE = Program("node", "nodejs", ("--version",))
PJSUA2 = Wheel("pjsua2-python")
SIPVICIOUS = Wheel("sipvicious")
JSSIP = Module("jssip")
SIP_JS = Module("sip.js")
WS = Module("ws")
"""WebSockets for scripts in Node.js, where there is no browser to have them."""

FROM_DEBIAN = (CURL, SIPP, SIPSAK, KAMAILIO, BARESIP, OPENSSL, FAIL2BAN, TSHARK, SNGREP)
FROM_WHEELS = (PJSUA2, SIPVICIOUS)
FROM_NPM = (JSSIP, SIP_JS, WS)


def search_path() -> str:
    """The PATH of programs under test: what the system has comes first, daemons too."""
    return os.pathsep.join([os.environ["PATH"], "/usr/sbin", str(BIN)])


def needs(*programs: Program | Wheel | Module) -> list[pytest.MarkDecorator]:
    """The marks of tests that need these programs."""
    return [pytest.mark.skipif(program.found() is None, reason=program.advice) for program in programs]


def listing() -> str:
    """A table of all programs, with versions."""
    programs = (*FROM_DEBIAN, NODE, *FROM_WHEELS, *FROM_NPM)
    rows = [(program.name, *(program.found() or ("-", program.advice))) for program in programs]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:<{widths[0]}}  {version:<{widths[1]}}  {where}" for name, version, where in rows)


def _where(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
