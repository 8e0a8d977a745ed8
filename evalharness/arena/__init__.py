"""An arena on one's own machine: blind pairs of completions, votes of people or of a model, and their statistics."""
