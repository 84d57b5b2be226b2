"""Document stores behind `xcap.ports`: memory, and SQL (SQLite and PostgreSQL from one set of tables)."""
