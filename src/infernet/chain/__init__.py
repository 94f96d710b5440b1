"""One EVM chain over JSON-RPC: reading, sending, and a local chain to try things on."""
