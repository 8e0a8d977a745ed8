"""What the HTTP services share: addresses, tokens, limits, refusals and the server process. Needs the extra `serve`."""
