"""Values of the OpenTelemetry SDK as rows of the tables of the Collector's clickhouseexporter."""
