"""What running a graph costs, for each extent of its open dimension.

No formula stands for it: slices make shapes that grow, shrink and vanish with the extent, so that whatever holds at
some extents may fail at others. The shapes are inferred for the very extent that is asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import compress
from typing import NamedTuple

from infernet.errors import InvalidInput
from infernet.vm.spc.models.graph import Skeleton
from infernet.vm.spc.models.operators import compute_node_cost

_KEPT = 256


class Work(NamedTuple):
    """Multiply-accumulates."""

    whole: int
    folded: int
    """Of it what is done when the graph is loaded."""


class GraphCost:
    """Multiply-accumulates of one graph."""

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._known: OrderedDict[int, Work] = OrderedDict()

    def at(self, extent: int, limit: int) -> Work:
        """Where the open dimension has this extent.

        Raises:
            InvalidInput: `graph.shape`; `graph.cost` beyond the limit.
        """
        if extent > limit:
            raise InvalidInput("graph.cost", f"at most {limit} multiply-accumulates are allowed")
        work = self._known.get(extent)
        if work is None:
            work = self._known[extent] = self._compute(extent)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        if work.whole > limit:
            raise InvalidInput("graph.cost", f"it takes {work.whole} multiply-accumulates, {limit} are allowed")
        return work

    def _compute(self, extent: int) -> Work:
        costs = [compute_node_cost(node) for node in self._skeleton.infer(extent)]
        if min(costs, default=0) < 0:
            raise InvalidInput("graph.cost", "an operator's attributes make no sense")
        return Work(sum(costs), sum(compress(costs, self._skeleton.folded)))
