"""`agno.db`."""
