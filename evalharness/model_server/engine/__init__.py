"""Generation for the server: what a request asks of an engine, and the engines."""
