"""Workflows that `infernet demo` has trained: files of their own, as users write them."""
