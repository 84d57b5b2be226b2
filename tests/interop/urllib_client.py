"""A program of its own that speaks to an XCAP server as clients on Python's urllib do.

    python urllib_client.py ROOT USER PASSWORD METHOD PATH [TYPE]

The body of a PUT comes from standard input. Prints the status, and the answer's body after a line end.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request


def main(root: str, user: str, password: str, method: str, path: str, kind: str = "") -> None:
    passwords = urllib.request.HTTPPasswordMgr()
    passwords.add_password("example.com", root, user, password)
    opener = urllib.request.build_opener(urllib.request.HTTPDigestAuthHandler(passwords))
    body = sys.stdin.buffer.read() if method == "PUT" else None
    request = urllib.request.Request(root + path, body, {"Content-Type": kind} if kind else {}, method=method)
    try:
        response = opener.open(request, timeout=30)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        sys.stdout.buffer.write(b"%d\n" % response.status + response.read())


if __name__ == "__main__":
    main(*sys.argv[1:])
