"""Code of the judge's process: runs the samples' processes, compares their answers, removes what they leave."""
