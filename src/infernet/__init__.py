"""Infernet: the AI coprocessor for smart contracts."""

__version__ = "0.1.0"
