"""Notebooks: the platform, the session's clocks and limits, the IPython extension."""
