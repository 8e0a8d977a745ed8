"""Linux namespaces that isolate the runs of samples from each other."""
