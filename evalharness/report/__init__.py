"""Reports about finished runs: frontier, leaderboard, comparison, HTML page, and the table of a run's results."""
