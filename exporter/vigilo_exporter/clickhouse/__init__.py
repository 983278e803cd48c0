"""The ClickHouse store: schema files, and the embedded engine that needs no server."""
