"""The tables of the document server. They change only by a new revision in `migrations/versions`."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, LargeBinary, MetaData, String, Table

metadata = MetaData()

documents = Table(
    "xcap_documents",
    metadata,
    Column("auid", String, primary_key=True),
    Column("user", String, primary_key=True, doc="the XUI; empty for the global tree"),
    Column("name", String, primary_key=True),
    Column("etag", String, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("modified", DateTime, nullable=False, doc="UTC"),
)

credentials = Table(
    "xcap_credentials",
    metadata,
    Column("user", String, primary_key=True, doc="the address of record"),
    Column("algorithm", String, primary_key=True, doc="as on the wire: MD5, SHA-256 …"),
    Column("username", String, primary_key=True, doc="one of the forms in which a client may name the user"),
    Column("realm", String, nullable=False),
    Column("ha1", String, nullable=False),
)
