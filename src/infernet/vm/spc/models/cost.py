"""What running a graph costs, for each extent of its open dimension.

No formula stands for it: slices make shapes that grow, shrink and vanish with the extent, so that whatever holds at
some extents may fail at others. The shapes are inferred for the very extent that is asked for.
"""

from __future__ import annotations

from collections import OrderedDict

from infernet.errors import InvalidInput
from infernet.vm.spc.models.graph import Skeleton
from infernet.vm.spc.models.operators import compute_node_cost

_KEPT = 256


class GraphCost:
    """Multiply-accumulates of one graph."""

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._known: OrderedDict[int, int] = OrderedDict()

    def at(self, extent: int, limit: int) -> int:
        """Where the open dimension has this extent.

        Raises:
            InvalidInput: `graph.shape`; `graph.cost` beyond the limit.
        """
        cost = self._known.get(extent)
        if cost is None:
            costs = [compute_node_cost(node) for node in self._skeleton.infer(extent)]
            if min(costs, default=0) < 0:
                raise InvalidInput("graph.cost", "an operator's attributes make no sense")
            cost = self._known[extent] = sum(costs)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        if cost > limit:
            raise InvalidInput("graph.cost", f"it takes {cost} multiply-accumulates, {limit} are allowed")
        return cost
