"""Output for people and programs: plans, progress, results and errors as text or JSON."""
