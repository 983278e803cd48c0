"""ClickHouse's HTTP interface in front of an embedded engine: clickhouse-connect, Grafana and DBeaver can connect."""
