"""What vigilo shows, written once: panel specs that become Grafana dashboards and can be run against any store."""
