"""The picture of speed and quality, with the Pareto frontier."""
