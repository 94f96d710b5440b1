"""The block that would be next: what calls and reads at `pending` see."""

from __future__ import annotations

from collections.abc import Callable

from infernet.vm.block import Block
from infernet.vm.draft import Draft
from infernet.vm.engine import BlockEnv
from infernet.vm.executor import Executor
from infernet.vm.next_block import Parent
from infernet.vm.place import Place
from infernet.vm.pool import Pool
from infernet.vm.spc.host import Unanswered


class Pending:
    """A draft that is kept and filled further as the pool grows, so that what waits is executed once and not for each
    question. Recorded precompiles are not run for it: what they cost is paid in the block.
    """

    def __init__(self, executor: Executor, pool: Pool) -> None:
        self._executor, self._pool = executor, pool
        self._draft: Draft | None = None
        self._key: tuple[object, ...] = ()
        self._version = 0

    def read_block(self, parent: Parent, chosen: object, build_env: Callable[[], BlockEnv]) -> Block:
        """See `read_place`."""
        return self._executor.close(self._read(parent, chosen, build_env)).block

    def read_place(self, parent: Parent, chosen: object, build_env: Callable[[], BlockEnv]) -> Place:
        """Its state, with the blobs that it alone has.

        Args:
            chosen: with another one, as on another parent, all is executed anew.
            build_env: of the block; its time is that of the first question.
        """
        draft = self._read(parent, chosen, build_env)
        return Place(draft.read_state(), build_env(), draft.host.blobs)

    def _read(self, parent: Parent, chosen: object, build_env: Callable[[], BlockEnv]) -> Draft:
        draft, key, version = self._draft, (parent.state, chosen), self._pool.version
        if draft is not None and self._key == key and self._version == version:
            return draft
        if draft is None or self._key != key or not self._executor.fill(draft, self._pool):
            draft = self._executor.open_draft(parent, build_env(), Unanswered())
            self._executor.fill(draft, self._pool)
        self._draft, self._key, self._version = draft, key, version
        return draft
