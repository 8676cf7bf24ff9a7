"""`agno.models`."""
