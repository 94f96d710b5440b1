"""Keys: an encrypted file, and an account that signs with it."""
