"""Detects programs that pass without solving the problem.

Canaries are copies of a program whose tests are made false, and which an honest program fails. A program is harmless if
its text shows that it can only compute, and therefore cannot tamper with its tests.
"""
