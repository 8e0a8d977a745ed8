"""The page that shows pairs and takes votes.

`session.py` draws pairs and takes votes, `app.py` is the HTTP API, `server.py` the process, `static/` the page.
"""
