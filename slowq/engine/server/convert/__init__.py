"""Milvus' wire form to the engine's values, and back. The messages are those of the stubs that pymilvus ships."""

from slowq.engine.server.convert.answers import ids_of, query_results, search_results
from slowq.engine.server.convert.asked import hybrid_of, query_of, search_of, templates_of
from slowq.engine.server.convert.rows import insert_of
from slowq.engine.server.convert.schema import fields_of, schema_of
from slowq.engine.server.convert.words import LEVELS, key_values, level_of, pairs, parsed, status

__all__ = [
    "LEVELS",
    "fields_of",
    "hybrid_of",
    "ids_of",
    "insert_of",
    "key_values",
    "level_of",
    "pairs",
    "parsed",
    "query_of",
    "query_results",
    "schema_of",
    "search_of",
    "search_results",
    "status",
    "templates_of",
]
