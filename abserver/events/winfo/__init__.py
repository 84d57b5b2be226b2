"""Pure: the watcher information template-package (RFC 3857) and its documents (RFC 3858)."""
