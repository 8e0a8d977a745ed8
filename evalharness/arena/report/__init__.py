"""The report of an arena: tables, picture and HTML page."""
