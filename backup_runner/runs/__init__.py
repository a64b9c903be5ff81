"""Around a run: hooks, notices, metrics, schedule, logs."""
