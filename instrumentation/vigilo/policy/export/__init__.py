"""Policy in front of every exporter: telemetry of other instrumentors is masked and priced before it is exported.

``install`` puts it in force for all providers of the process, those that exist and those to come. Spans and log records
are handed to processors in a form that masks itself when it is first read: in the thread of a batch processor, once for
all exporters, whoever added them and in which order. Metrics are masked when a reader collects them, baggage when it is
injected into a request.
"""
