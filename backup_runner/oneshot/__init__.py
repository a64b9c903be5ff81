"""Jobs made in memory for the one-shot commands."""
