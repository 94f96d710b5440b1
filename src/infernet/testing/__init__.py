"""What tests of a node need: a chain in memory, containers that misbehave, a node that dies when told to."""
