"""The report on an arena's votes: tables, a plot of preference against speed, and an HTML page."""
