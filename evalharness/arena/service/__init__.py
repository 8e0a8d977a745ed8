"""The arena's web page, which shows voters pairs of answers, and its HTTP API.

`session.py` draws pairs and records votes, `app.py` is the HTTP API, `server.py` the process, `static/` the page.
"""
