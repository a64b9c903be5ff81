"""What a run would do and why: actions, guards, cost, retention."""
