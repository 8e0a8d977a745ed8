"""Statistics of arena votes: model strengths with intervals, position and latency effects, agreement."""
