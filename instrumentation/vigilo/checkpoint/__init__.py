"""Checkpoints: what a long computation has, on disk, whole, before it is lost."""
