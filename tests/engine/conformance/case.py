"""A call to Milvus through pymilvus, and what is compared of its answer.

Everything in this package but the tests also runs in the Python of `.venv-milvus`, with the pymilvus of Milvus 2.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from tests.engine.conformance.world import World

Version: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Case:
    """`answer` is what a Milvus newer than 2.3.5 says; of the others `recorded.json` holds what Milvus 2.3.5 said.

    `client` is the first pymilvus that can make the call, `server` the first Milvus that can serve it. `differs` says why
    the engine's `answer` is not that of Milvus 2.3.5.
    """

    name: str
    call: Callable[[World], Any]
    client: Version = (2, 3)
    server: Version = (2, 3)
    answer: Any = None
    differs: str = ""

    @property
    def is_recorded(self) -> bool:
        """Whether the engine has to answer as Milvus 2.3.5 did."""
        return self.server == (2, 3) and self.client == (2, 3) and not self.differs
