"""Quotas and budgets: who may use how much of what, in which time."""
