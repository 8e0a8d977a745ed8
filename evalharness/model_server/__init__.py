"""The OpenAI-compatible server of the bundled engine, and its playground.

`server.py` runs the process, `app.py` puts it together, `api/` reads requests and writes answers, `engine/` generates,
`playground/` is the page at `/`.
"""
