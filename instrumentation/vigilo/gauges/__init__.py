"""GPU, host and memory forecast: observable gauges over one shared snapshot."""
