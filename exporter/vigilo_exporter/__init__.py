"""Everything after the app: the spool, the ClickHouse store, reports and dashboards."""
