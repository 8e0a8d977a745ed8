"""Code of the sandbox's judge process (root): runs the samples' processes, compares their outputs, cleans up."""
