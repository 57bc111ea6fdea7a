"""The built-in agent: it reads the student's assignments, judges the work, and plans it into their free time.

`agent` takes the steps, and each has a room of its own. Many import a single one of them, so nothing is imported here.
"""
