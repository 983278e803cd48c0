"""What processes share: counters, holds, rates and rules. SQLite by default, Redis where it is set."""
