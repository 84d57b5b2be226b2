"""The list of a user's documents, and the error of having too many."""

from __future__ import annotations

import datetime

from lxml import etree

from xcap.core.errors import OverQuota
from xcap.core.uri import DocumentKey
from xcap.core.usages.xcap_directory import AUID, Entry, directory

ANN = "sip:ann@example.com"


def test_what_is_stored_has_a_time_and_a_size_and_what_is_computed_has_not() -> None:
    stored = Entry(
        DocumentKey("resource-lists", ANN, "index"), "e1", datetime.datetime(2030, 1, 2, 3, tzinfo=datetime.UTC), 17
    )
    computed = Entry(DocumentKey("resource-lists", ANN, "shown"), "e2")
    content = directory("http://xcap.example.com/", {"resource-lists": [stored, computed], AUID: []})
    lists, others = etree.fromstring(content)
    assert (lists.get("auid"), others.get("auid"), len(others)) == ("resource-lists", AUID, 0)
    path = f"http://xcap.example.com/resource-lists/users/{ANN}"
    assert [dict(entry.attrib) for entry in lists] == [
        {"uri": f"{path}/index", "etag": "e1", "last-modified": "2030-01-02T03:00:00+00:00", "size": "17"},
        {"uri": f"{path}/shown", "etag": "e2"},
    ]


def test_who_has_too_much_is_told_how_much_is_too_much_rfc4918_11_5() -> None:
    error = OverQuota(10, "documents")
    assert (error.status, error.limit) == (507, 10)
    assert str(error) == "all documents of a user together may have 10 documents"
