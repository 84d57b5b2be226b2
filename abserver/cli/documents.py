"""`abserver xcap …`: any document of a user, or a node in it, read and written by XCAP as that user."""

from __future__ import annotations

import sys
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abserver.cli import common, editing
from abserver.cli.acting import acting_as
from abserver.cli.common import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abserver.config import Settings
    from abserver.domain.identity import Aor
    from xcap.client import Fetched, XcapClient
    from xcap.core.uri import DocumentKey, ResourceUri
    from xcap.core.usage import ApplicationUsage

app = typer.Typer(name="xcap", help="A user's documents, and the nodes in them, as they are.", no_args_is_help=True)

UserAddress = Annotated[
    str, typer.Argument(metavar="USER", help="Whose, and as whom: sip:user@domain.", show_default=False)
]
Where = Annotated[
    str,
    typer.Argument(
        metavar="AUID[/NODE]",
        show_default=False,
        help="The application usage; a node after a slash: 'resource-lists/resource-lists/list[@name=\"friends\"]'.",
    ),
]
Document = Annotated[
    str | None, typer.Option("--document", metavar="NAME", help="The document's name, if not the usual one.")
]
Global = Annotated[bool, typer.Option("--global", help="A document of the global tree, which is everybody's.")]
Namespaces = Annotated[
    list[str] | None,
    typer.Option("--namespace", metavar="PREFIX=URI", help="What a prefix in NODE means; may be repeated."),
]
IfMatch = Annotated[
    str | None, typer.Option("--if-match", metavar="ETAG", help="Only if this is the document's version.")
]
Content = Annotated[
    Path,
    typer.Option("--file", "-f", metavar="FILE", allow_dash=True, help="The new content; - is standard input."),
]
MediaType = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help="Media type of a document whose usage is not known here.")
]


@app.command("get")
def get(
    user: UserAddress,
    where: Where,
    document: Document = None,
    global_tree: Global = False,
    namespace: Namespaces = None,
    etag: Annotated[bool, typer.Option("--etag", help="Print the document's version in place of the content.")] = False,
    config: common.ConfigFile = None,
) -> None:
    """Print a document or node byte for byte."""
    settings = common.settings_from(config)
    place = _Place(settings, user, where, document, global_tree, namespace)
    with acting_as(place.user, settings, config) as client:
        fetched = _fetch(client, place.resource)
    if fetched is None:
        raise CommandError(f"there is no {place}")
    content = f"{fetched.etag}\n".encode() if etag else fetched.content
    typer.echo(content, nl=sys.stdout.isatty() and not content.endswith(b"\n"))


@app.command("put")
def put(
    user: UserAddress,
    where: Where,
    file: Annotated[
        Path,
        typer.Option("--file", "-f", metavar="FILE", allow_dash=True, help="The new content; - is standard input."),
    ] = Path("-"),
    document: Document = None,
    global_tree: Global = False,
    namespace: Namespaces = None,
    if_match: IfMatch = None,
    only_new: Annotated[bool, typer.Option("--only-new", help="Only if there is no such document.")] = False,
    media_type: MediaType = None,
    config: common.ConfigFile = None,
) -> None:
    """Create or replace a document or node; prints the document's new version."""
    settings = common.settings_from(config)
    place = _Place(settings, user, where, document, global_tree, namespace)
    content = place.fit(_read(file))
    kind = place.media_type(media_type)
    with acting_as(place.user, settings, config) as client:
        written = client.put(place.resource, content, media_type=kind, if_match=if_match, only_new=only_new)
    typer.echo(f"{place} {'created' if written.created else 'replaced'}, version {written.etag}")


@app.command("delete")
def delete(
    user: UserAddress,
    where: Where,
    document: Document = None,
    global_tree: Global = False,
    namespace: Namespaces = None,
    if_match: IfMatch = None,
    config: common.ConfigFile = None,
) -> None:
    """Remove a document or node."""
    settings = common.settings_from(config)
    place = _Place(settings, user, where, document, global_tree, namespace)
    with acting_as(place.user, settings, config) as client:
        left = client.delete(place.resource, if_match=if_match)
    typer.echo(f"{place} deleted" + (f", version {left}" if left else ""))


@app.command("edit")
def edit(
    user: UserAddress,
    where: Where,
    document: Document = None,
    global_tree: Global = False,
    namespace: Namespaces = None,
    media_type: MediaType = None,
    config: common.ConfigFile = None,
) -> None:
    """Open a document or node in $VISUAL or $EDITOR, and put it back if nobody changed the document meanwhile.

    What the server refuses is kept in a file, whose name is told.
    """
    settings = common.settings_from(config)
    place = _Place(settings, user, where, document, global_tree, namespace)
    kind = place.media_type(media_type)
    with acting_as(place.user, settings, config) as client:
        before, etag = _current(client, place)
        text = editing.edited(before)
        content = place.fit(text.content)
        if content == before:
            text.forget()
            typer.echo(f"{place} is left as it was")
            return
        with text.kept_if_refused():
            written = client.put(place.resource, content, media_type=kind, if_match=etag, only_new=etag is None)
    typer.echo(f"{place} {'created' if written.created else 'changed'}, version {written.etag}")


class _Place:
    """What a command is about; `str()` says it as it was typed."""

    def __init__(
        self,
        settings: Settings,
        user: str,
        where: str,
        document: str | None,
        global_tree: bool,
        namespaces: Iterable[str] | None,
    ) -> None:
        from xcap.core.uri import DocumentKey, ResourceUri

        self.user: Aor = common.address(user)
        self._where = where
        auid, _, node = where.partition("/")
        self._usage = _usage(settings, auid)
        key = DocumentKey(auid, None if global_tree else self.user, document or self._usual_name())
        self.resource: ResourceUri = ResourceUri(key, node or None, dict(map(_binding, namespaces or ())))

    def __str__(self) -> str:
        return f"{self._where} of {self.resource.key.user or 'everybody'}"

    def media_type(self, given: str | None) -> str | None:
        """Of a document; None for a node, which has its own. Raises CommandError for one that is not known here."""
        if given or self.resource.node is not None:
            return given
        if self._usage is None:
            hint = "Give the document's media type with --type"
            raise CommandError(f"nothing is known here of the usage {self.resource.key.auid}", hint)
        return self._usage.media_type

    def fit(self, content: bytes) -> bytes:
        """As it can be put: around an element or attribute value no white space may stand, and editors like to end
        with a line end."""
        return content if self.resource.node is None else content.strip(b" \t\r\n")

    def _usual_name(self) -> str:
        names = self._usage.names if self._usage else None
        return "index" if names is None or "index" in names else min(names)


def _usage(settings: Settings, auid: str) -> ApplicationUsage | None:
    """The usage of this name or alias, if it is one that this program knows."""
    from abserver.domain.usages import all_usages
    from xcap.core.errors import NotFound
    from xcap.core.uri import DocumentKey

    usages = all_usages(settings.http.auid_aliases)
    try:
        return usages.usage(usages.canonical(DocumentKey(auid, None, "")).auid)
    except NotFound:
        return None


def _current(client: XcapClient, place: _Place) -> tuple[bytes, str | None]:
    """The content, empty where there is none yet, and the document's version, None where there is no document."""
    document = _fetch(client, place.resource.key)
    if place.resource.node is None or document is None:
        return (document.content, document.etag) if document else (b"", None)
    node = _fetch(client, place.resource)  # after the document, so that a node that comes now is no surprise
    return (node.content, node.etag) if node else (b"", document.etag)


def _fetch(client: XcapClient, resource: DocumentKey | ResourceUri) -> Fetched | None:
    from xcap.client import Refused

    try:
        return client.get(resource)
    except Refused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return None


def _binding(text: str) -> tuple[str, str]:
    prefix, equals, uri = text.partition("=")
    if not prefix or not equals or not uri:
        raise CommandError(
            f"'{text}' binds no prefix", "Write it like --namespace d=urn:ietf:params:xml:ns:pidf:data-model"
        )
    return prefix, uri


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}", "Name a file, or pipe the content in") from None
