"""The vector database: collections of int8 vectors that contracts own, searched with integer scores."""

from infernet.vm.spc.vectors.database import VectorDatabase

__all__ = ["VectorDatabase"]
