"""A table of models and tasks."""
