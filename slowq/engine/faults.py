"""What a request can do wrong, with Milvus' error codes (`pkg/util/merr/errors.go` of 2.3 to 2.6), and what a store can suffer.

RequestFault    the client's: a bad parameter, an unknown collection, a full queue; becomes a gRPC answer's status
Unserved        nobody's: Milvus has it and the engine has not; becomes gRPC's UNIMPLEMENTED
StoreError      ours: a damaged file, a folder in use; names file and offset
"""

from __future__ import annotations

from slowq.errors import SlowqError

NOT_READY = 1
REQUEST_LIMIT = 4
RATE_LIMIT = 8
COLLECTION_NOT_FOUND = 100
COLLECTION_NOT_LOADED = 101
COLLECTION_LOADED = 104
PARTITION_NOT_FOUND = 200
RESOURCE_GROUP_NOT_FOUND = 300
SEGMENT_NOT_LOADED = 601
INDEX_NOT_FOUND = 700
DATABASE_NOT_FOUND = 800
PARAMETER = 1100
NOT_AUTHENTICATED = 1400
NOT_PERMITTED = 1401
ALIAS_NOT_FOUND = 1600
FIELD_NOT_FOUND = 1700
FIELD_NAME = 1701
UNEXPECTED = 65535

# The older numbers that clients before 2.3 look at (`ErrorCode` of common.proto).
LEGACY = {
    COLLECTION_NOT_FOUND: 4,
    PARAMETER: 5,
    RATE_LIMIT: 49,
    INDEX_NOT_FOUND: 25,
}
RETRIABLE = frozenset((NOT_READY, REQUEST_LIMIT, RATE_LIMIT))


class RequestFault(Exception):  # noqa: N818 - "fault" says whose it is
    """A request that cannot be served; `message` is what the client reads."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def retriable(self) -> bool:
        return self.code in RETRIABLE


class Unserved(Exception):  # noqa: N818 - a fact about the engine
    """A request that Milvus would serve, for something that the engine does not have; `message` is what the client reads."""

    def __init__(self, feature: str, field: str = "") -> None:
        self.message = f"The slowq reference engine does not have {feature}{field and f' (field {field})'}."
        super().__init__(self.message)


def too_many(limit: int, where: str = "") -> RequestFault:
    return RequestFault(REQUEST_LIMIT, f"{where}too many concurrent requests, queue is full[limit={limit}]")


def too_late() -> RequestFault:
    return RequestFault(UNEXPECTED, "context deadline exceeded")


def invalid(message: str) -> RequestFault:
    return RequestFault(PARAMETER, f"invalid parameter: {message}")


class StoreError(SlowqError):
    """The folder of the engine cannot be used: damaged, locked, full."""

    exit_code = 3
