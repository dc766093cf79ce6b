"""Makes the calls of the table: `python -m tests.engine.conformance.driver URI SERVER TOKEN` prints the answers as JSON.

SERVER is the Milvus that answers, such as `2.3`. A refused call answers `{"error": code, "message": text}`; a call that this
pymilvus cannot make, or that SERVER does not have, is left out.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import grpc
from pymilvus import MilvusException

from tests.engine.conformance.case import Case
from tests.engine.conformance.table import EVERY
from tests.engine.conformance.world import World, client_version, plain


def answered(case: Case, world: World) -> Any:
    try:
        return plain(case.call(world))
    except MilvusException as error:
        code = error.code if isinstance(error.code, int) else str(error.code)  # of gRPC, where there was no answer
        return {"error": code, "message": error.message}
    except grpc.RpcError as error:
        return {"error": str(error.code()), "message": error.details()}
    except (TypeError, ValueError, AttributeError, TimeoutError) as error:  # the client, or the case itself
        return {"error": type(error).__name__, "message": str(error)}


def main(uri: str, server: str, token: str) -> None:
    logging.disable(logging.CRITICAL)  # pymilvus logs what it raises
    world = World(uri, token)
    known = tuple(int(part) for part in server.split("."))
    answers = {}
    for one in EVERY:
        if one.client <= client_version() and one.server <= known:
            sys.stderr.write(f"{one.name}\n")  # the last one is told where the server ends at it
            answers[one.name] = answered(one, world)
    world.close()
    json.dump(answers, sys.stdout, ensure_ascii=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
