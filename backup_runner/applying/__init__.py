"""Carries out a plan: reads, encrypts, uploads, records, and deletes last."""
