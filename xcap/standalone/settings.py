"""What an operator of `xcap serve` may set: in a small TOML file, and on the command line above it.

The keys of the file are the names of the fields; every problem is reported at once, with its place.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, field_validator
from sqlalchemy.exc import ArgumentError

from xcap.core.digest import Algorithm
from xcap.storage.database import open_database
from xcap.values import Algorithms, Domains, File, HostPort, Listener, Networks, Realm, RootUri, XcapRoot, Xuis

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import ValidationInfo
    from pydantic_core import ErrorDetails


class SettingsError(Exception):
    """The settings cannot be used; `problems` has one line for each thing that is wrong."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _storage_url(value: object) -> str:
    """The error does not repeat the address, which may hold a password."""
    try:
        open_database(str(value))
    except (ValueError, ArgumentError):
        said = "is no storage URL; write 'sqlite:///FILE' or 'postgresql://USER:PASSWORD@HOST:PORT/NAME'"
        raise ValueError(said) from None
    except ModuleNotFoundError as error:
        raise ValueError(f"needs the package {error.name}: pip install 'abserver[postgres]'") from None
    return str(value)


class XcapSettings(BaseModel):
    """The whole of it. The defaults serve `example.com` on loopback, from a database in the current folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)

    domains: Domains = ("example.com",)
    """Domains whose users are ours."""
    listen: Listener = HostPort("127.0.0.1", 8080)
    """Address to listen at, `host:port` with a numeric host."""
    root: XcapRoot = "/xcap-root"
    """Path of the XCAP root (RFC 4825 §6.1)."""
    root_uri: RootUri = ""
    """The XCAP root URI by which clients reach the server, such as `https://xcap.example.com/xcap-root`: it is written
    into lists of documents. Empty: the path alone."""
    storage: Annotated[str, PlainValidator(_storage_url)] = "sqlite:///xcap.db"
    """Database, `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST:PORT/NAME`."""
    realm: Realm = None
    """Realm of the challenges, and of the stored passwords. Empty: the user's own domain."""
    algorithms: Algorithms = (Algorithm.SHA256, Algorithm.MD5)
    """Digest algorithms in their order."""
    trusted_peers: Networks = ()
    """Authentication proxies whose asserted identities are believed, by the address of the connection."""
    trusted_users: Xuis = ()
    """Users that are servers of the domain: they may read lists and rules of all users, and write global documents."""
    tls_certificate: File = None
    """Certificate with its chain (PEM), for HTTPS; read again at SIGHUP."""
    tls_key: File = None
    """Its key (PEM). Empty: it is in the certificate's file."""
    user_failures: Annotated[int, Field(ge=0)] = 10
    """Failed logins in the name of one user before waiting begins; 0: never."""
    source_failures: Annotated[int, Field(ge=0)] = 30
    """Failed logins from one address before waiting begins; 0: never."""
    longest_wait: Annotated[int, Field(ge=1)] = 900
    """Longest such wait, in seconds."""
    user_documents: Annotated[int, Field(ge=1)] = 200
    """Documents that one user may have."""
    user_octets: Annotated[int, Field(ge=1)] = 16 * 1024 * 1024
    """Bytes in all documents of one user together."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe record to write to standard error."""
    log_access: bool = True
    """Whether each request leaves a line, of the level `info`."""

    @field_validator("domains")
    @classmethod
    def _some(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        if not domains:
            raise ValueError("the list is empty, so nobody could log in; name at least one domain")
        return domains

    @field_validator("tls_key")
    @classmethod
    def _with_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if key is not None and info.data.get("tls_certificate") is None:
            raise ValueError("there is a key and no certificate; set tls_certificate too")
        return key

    def realm_of(self, user: str) -> str:
        """The realm in which `user` (`sip:alice@example.com`) authenticates."""
        return self.realm or user.rpartition("@")[2]


def load(file: Path | None, given: Mapping[str, object]) -> XcapSettings:
    """The settings from `file` under those `given` on the command line. Raises SettingsError with every problem."""
    said = {} if file is None else _read(file)
    try:
        return XcapSettings(**{**said, **given})
    except ValidationError as error:
        problems = (_problem(each, given, file) for each in error.errors())
        raise SettingsError(*problems) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: is not TOML: {error}") from None


def _problem(detail: ErrorDetails, given: Mapping[str, object], file: Path | None) -> str:
    key = str(detail["loc"][0])
    place = f"--{key.replace('_', '-')}" if key in given else f"{file or 'defaults'}: {key}"
    match detail["type"]:
        case "extra_forbidden":
            return f"{place}: unknown; known are {', '.join(XcapSettings.model_fields)}"
        case "value_error":
            return f"{place}: {detail['ctx']['error']}"
        case _:
            return f"{place}: {detail['msg'][:1].lower()}{detail['msg'][1:]}, not {detail['input']!r}"
