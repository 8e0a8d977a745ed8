"""Code of both the judge's and the sample's process: messages, encodings, clocks, the system call filter."""
