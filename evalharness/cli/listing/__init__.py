"""The commands that show what is available: tasks, backends, and what this machine has."""
