"""The tables of the document server. They change only by a new revision in `migrations/versions`.

A document is the newest of its versions. All versions of one document, the first as number 1, stand in one row after
another; `offset` counts the octets before each. So which of them are too many, or hold too many octets, is told by
comparing two numbers with those of the newest version.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

documents = Table(
    "xcap_documents",
    metadata,
    Column("auid", String, primary_key=True),
    Column("user", String, primary_key=True, doc="the XUI; empty for the global tree"),
    Column("name", String, primary_key=True),
    Column("etag", String, nullable=False),
    Column("modified", DateTime, nullable=False, doc="UTC"),
    Column("size", Integer, nullable=False, doc="octets"),
    Column("number", Integer, nullable=False, doc="of the newest version"),
    Column("offset", BigInteger, nullable=False, doc="of the newest version"),
    Index("xcap_documents_user", "user"),
)

versions = Table(
    "xcap_versions",
    metadata,
    Column("auid", String, primary_key=True),
    Column("user", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, nullable=False, doc="octets of all versions before this one"),
    Column("etag", String, nullable=False),
    Column("modified", DateTime, nullable=False, doc="UTC"),
    Column("content", LargeBinary, nullable=False),
)

claims = Table(
    "xcap_claims",
    metadata,
    Column("auid", String, primary_key=True),
    Column("value", String, primary_key=True, doc="what one document of the usage may hold"),
    Column("user", String, nullable=False, doc="of the document that holds it; empty for the global tree"),
    Column("name", String, nullable=False),
    Index("xcap_claims_holder", "auid", "user", "name"),
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
