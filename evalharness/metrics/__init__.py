"""pass@k, speed (tokens/s, latencies), confidence intervals and significance tests."""
