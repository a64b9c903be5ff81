"""Carries out a plan: reads, seals, puts, records, and deletes last."""
