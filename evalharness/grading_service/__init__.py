"""`evalharness serve-sandbox`: an HTTP service that grades samples of any task as `evalharness grade` does.

`server.py` runs the process, `app.py` defines the API, `client.py` is for the programs that call it.
"""
