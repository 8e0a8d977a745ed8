"""The plot of pass rate against tokens/s, one point per run, with the Pareto frontier."""
