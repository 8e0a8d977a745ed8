"""Small helpers, each of which exists once."""
