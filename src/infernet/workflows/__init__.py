"""Training and inference workflows."""
