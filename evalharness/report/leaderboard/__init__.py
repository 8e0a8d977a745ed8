"""The leaderboard: a table of models (rows) and tasks (columns)."""
