"""The tables of the document server. They change only by a new revision in `migrations/versions`."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Index, LargeBinary, MetaData, String, Table

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

Index("xcap_documents_user", documents.c.user)

claims = Table(
    "xcap_claims",
    metadata,
    Column("auid", String, primary_key=True),
    Column("value", String, primary_key=True, doc="what one document of the usage may hold"),
    Column("user", String, nullable=False, doc="of the document that holds it; empty for the global tree"),
    Column("name", String, nullable=False),
)
Index("xcap_claims_holder", claims.c.auid, claims.c.user, claims.c.name)

credentials = Table(
    "xcap_credentials",
    metadata,
    Column("user", String, primary_key=True, doc="the address of record"),
    Column("algorithm", String, primary_key=True, doc="as on the wire: MD5, SHA-256 …"),
    Column("username", String, primary_key=True, doc="one of the forms in which a client may name the user"),
    Column("realm", String, nullable=False),
    Column("ha1", String, nullable=False),
)
