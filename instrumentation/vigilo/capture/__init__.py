"""How a call is seen: transport hooks, pure parsers, and the recorder that turns calls into telemetry."""
