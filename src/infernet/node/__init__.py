"""A node on one chain: follow → decide → run → deliver, over a journal."""

from infernet.node.pipeline import ChainPipeline

__all__ = ["ChainPipeline"]
