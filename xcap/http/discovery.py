"""The page at the XCAP root, for people: which documents are kept here, and how they are addressed.

Negotiated between HTML and plain text (RFC 9110 §12.5.1): a browser names `text/html`, a program that takes anything
gets text. It says what every client may know (the usages, which `xcap-caps` lists too) and nothing of any user, so it
is shown without authentication.
"""

from __future__ import annotations

import html
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from xcap.http.message import TEXT, Response

if TYPE_CHECKING:
    from xcap.core.usage import ApplicationUsage, Usages
    from xcap.http.message import Head

HTML = "text/html; charset=utf-8"

_MEDIA_RANGE = re.compile(r"\s*([\w*+.-]+/[\w*+.-]+)\s*(?:;(.*))?", re.DOTALL)
_QUALITY = re.compile(r"(?:^|;)\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)", re.IGNORECASE)

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code,pre{font-family:ui-monospace,monospace;font-size:.9em}pre{overflow-x:auto;padding:.5rem;background:#8881}"
    "table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:.25rem 1rem .25rem 0}"
)
_FIELDS = (
    ("Vary", "Accept"),
    ("Cache-Control", "max-age=300"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
)

_HOW = (
    ("a document", "{root}/AUID/users/sip:USER@DOMAIN/NAME"),
    ("a document for everybody", "{root}/AUID/global/NAME"),
    ("an element in it", "{root}/AUID/users/sip:USER@DOMAIN/NAME/~~/list/entry%5B@name=%22VALUE%22%5D"),
    ("an attribute", "{root}/AUID/users/sip:USER@DOMAIN/NAME/~~/list/entry%5B1%5D/@name"),
    ("with a namespace prefix", "{root}/AUID/users/sip:USER@DOMAIN/NAME/~~/p:list?xmlns(p=NAMESPACE)"),
)
_NOTES = (
    "GET and HEAD read, PUT creates or replaces, DELETE removes. An element has the type application/xcap-el+xml, an "
    "attribute application/xcap-att+xml.",
    "Every answer about a document has its ETag; If-Match and If-None-Match make a request depend on it.",
    "Users log in with digest authentication. They read and write their own tree; everybody reads the global one.",
)


class DiscoveryPage:
    """The page of one server, made once."""

    def __init__(self, usages: Usages, root: str) -> None:
        path = root.rstrip("/")
        rows = [_row(usage) for usage in usages]
        made = [f"{path}/{key.auid}/global/{key.name}" for key in usages.provided if key.user is None]
        addresses = [(what, where.format(root=path)) for what, where in _HOW]
        self._html = _as_html(rows, addresses, made).encode()
        self._text = _as_text(rows, addresses, made).encode()

    def response(self, head: Head) -> Response:
        """The page in the form that the request prefers."""
        if _prefers_html(head.joined(b"accept") or "*/*"):
            return Response(HTTPStatus.OK, self._html, HTML, _FIELDS)
        return Response(HTTPStatus.OK, self._text, TEXT, _FIELDS)


def _prefers_html(accept: str) -> bool:
    """Whether HTML is asked for by name, and plain text not more."""
    ranges: dict[str, float] = {}
    for element in accept.split(","):
        if matched := _MEDIA_RANGE.fullmatch(element):
            quality = _QUALITY.search(matched[2] or "")
            ranges[matched[1].lower()] = float(quality[1]) if quality else 1.0
    wanted = ranges.get("text/html", 0.0)
    return wanted > 0.0 and wanted >= ranges.get("text/plain", 0.0)


def _row(usage: ApplicationUsage) -> tuple[str, str, str, str]:
    names = "any" if usage.names is None else ", ".join(sorted(usage.names))
    return usage.auid, names, usage.media_type, usage.default_namespace or ""


_HEADS = ("AUID", "NAME", "type", "default namespace")


def _as_html(rows: list[tuple[str, str, str, str]], addresses: list[tuple[str, str]], made: list[str]) -> str:
    kept = "".join(f"<tr>{''.join(f'<td><code>{html.escape(cell)}</code></td>' for cell in row)}</tr>" for row in rows)
    how = "".join(f"<tr><td>{what}</td><td><code>{html.escape(where)}</code></td></tr>" for what, where in addresses)
    links = "".join(f'<li><a href="{html.escape(path)}"><code>{html.escape(path)}</code></a></li>' for path in made)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>XCAP server</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        "<h1>XCAP server</h1>"
        "<p>Programs keep XML documents of their users here, by the XML Configuration Access Protocol "
        '(<a href="https://www.rfc-editor.org/rfc/rfc4825">RFC 4825</a>).</p>'
        f"<h2>What is kept</h2><table><tr>{''.join(f'<th>{head}</th>' for head in _HEADS)}</tr>{kept}</table>"
        f"<h2>How it is addressed</h2><table>{how}</table>{''.join(f'<p>{note}</p>' for note in _NOTES)}"
        f"<h2>Documents for everybody</h2><ul>{links}</ul></body></html>\n"
    )


def _as_text(rows: list[tuple[str, str, str, str]], addresses: list[tuple[str, str]], made: list[str]) -> str:
    lines = ["XCAP server (RFC 4825): XML documents of users, kept for their programs.", "", "What is kept"]
    lines += [f"  {auid}: {names}; {media_type}; {namespace}" for auid, names, media_type, namespace in rows]
    lines += ["", "How it is addressed", *(f"  {where}   {what}" for what, where in addresses), "", *_NOTES, ""]
    lines += ["Documents for everybody", *(f"  {path}" for path in made)]
    return "\n".join(lines) + "\n"
