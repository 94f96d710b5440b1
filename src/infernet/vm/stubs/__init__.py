"""Stateful precompiles on a chain that has none: a proxy in front of anvil answers for stubs, by trap and replay."""

from infernet.vm.stubs.proxy import serve_stubs

__all__ = ["serve_stubs"]
