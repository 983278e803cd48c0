"""``python -m vigilo_exporter.cli``."""

from vigilo_exporter.cli import main

main()
