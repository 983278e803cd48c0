"""Providers' JSON as ``Request`` and ``Response``. Pure: no OpenTelemetry, no SDK."""
