"""pass@k, speed, confidence intervals and tests."""
