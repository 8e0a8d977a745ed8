"""Statistics of votes: strengths with intervals, effects of position and latency, agreement."""
