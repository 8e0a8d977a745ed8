"""Grading over HTTP: a service that takes samples of any task and returns the verdicts that `grade` would give.

`server.py` runs the process, `app.py` defines the API, `client.py` is for the programs that call it.
"""
