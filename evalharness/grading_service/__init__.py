"""Grading as a service: an HTTP API that takes samples of any task and answers with the verdicts of `grade`."""
