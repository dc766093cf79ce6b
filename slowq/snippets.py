"""Code that the remedies of several rules tell the user to run."""

_WHICH = """\
# With pymilvus 2.5.2 or newer, a Milvus from before December 2024
# compacts every collection (PR #38096); Collection(name).compact()
# of pymilvus 2.4 does not.
"""

COMPACT = f"""\
{_WHICH}job = client.compact(collection_name=$collection)
print(client.get_compaction_state(job))
"""

CLUSTER = f"""\
{_WHICH}job = client.compact(collection_name=$collection, is_clustering=True)
print(client.get_compaction_state(job))
"""


def search_with(argument: str) -> str:
    """The incident's own search with one argument more."""
    return f"""\
client.search(
    collection_name=$collection,
    data=vectors,
    anns_field=$vector_field,
    limit=$top_k,
    {argument},
)
"""
