"""Containers: what turns features into outputs, each kind in one file, the work itself in worker processes.

Nothing is imported here, so that a worker loads only what it runs.
"""
