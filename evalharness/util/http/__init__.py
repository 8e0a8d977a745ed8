"""Code of all HTTP services: addresses, tokens, limits, refused requests and the server. Needs the extra `serve`."""
