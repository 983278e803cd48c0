"""Sends the spool to the ClickHouse server of the settings: from a thread of the app, or for a command."""
