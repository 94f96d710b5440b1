"""The chain's JSON-RPC, over HTTP and WebSocket."""
