"""The contracts' rules in Python: pure functions over frozen data, with no I/O, no clock and no logging."""
