"""Stateful precompiles: what a contract calls inside a transaction, each in a file of its own."""
