"""An XCAP document store (RFC 4825), useful alone: documents and nodes over HTTP, kept byte for byte."""
