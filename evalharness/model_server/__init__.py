"""The OpenAI-compatible model server (`evalharness serve`) of the harness's decoding engine, and its playground.

`server.py` runs the process, `app.py` assembles the application, `api/` parses requests and formats answers, `engine/`
generates, `playground/` is the page at `/`.
"""
