"""Pacing: when a call is sent, so that providers and per-minute limits are not overrun."""
