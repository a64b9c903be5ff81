"""What people and programs see: plans, progress, results and errors as text or JSON."""
