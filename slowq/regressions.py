# ruff: noqa: E501 - one entry a line
"""Known slowdowns of Milvus releases: which versions, what is slow, and where it is told.

Transcribed, in words of our own, from the release notes of Milvus 2.2 to 2.6 and from issues that tell versions apart.
The notes name the release that brought a fix and seldom the one that brought the fault. Where they do not, `first` is
None and the fault is taken to be as old as its line of releases, which may accuse too many versions. An `improvement`
made something faster that was never fast: it is advice to upgrade and not the cause of a slowdown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from slowq.facts import Milvus, Version

Kind = Literal[
    "balance",
    "clock",
    "cold_start",
    "collections",
    "cpu",
    "delegator",
    "delete",
    "disk",
    "disk_load",
    "filter",
    "growing",
    "growing_mmap",
    "half_precision",
    "hybrid",
    "index_build",
    "iterator",
    "json_contains",
    "load",
    "lock",
    "memory",
    "output",
    "partition_output",
    "prefix_like",
    "proxy_cpu",
    "queue",
    "reduce",
    "replica",
    "replica_output",
    "segments",
    "sparse",
    "storage",
    "text_index",
    "tiered_output",
    "topk",
    "trie_range",
    "tsafe_compaction",
    "tsafe_restart",
    "tsafe_writes",
    "unindexed",
]
Nature = Literal["regression", "defect", "improvement"]

_PULL = "https://github.com/milvus-io/milvus/pull/"
_ISSUE = "https://github.com/milvus-io/milvus/issues/"


@dataclass(frozen=True, slots=True)
class Regression:
    """One slowdown. Affected are the versions from `first` up to, but without, `fixed_in`, or up to `last`.

    With neither, the rest of the line of `first` is affected.
    """

    first: Version | None
    fixed_in: Version | None
    kind: Kind
    nature: Nature
    says: str
    url: str
    last: Version | None = None

    @property
    def since(self) -> Version:
        """The first affected version; the start of the line of `fixed_in` where the sources name none."""
        if self.first is not None:
            return self.first
        if self.fixed_in is None:
            raise ValueError(f"neither first nor fixed_in: {self.says!r}")
        return (self.fixed_in[0], self.fixed_in[1], 0)

    def affects(self, version: Version) -> bool:
        if version < self.since:
            return False
        if self.fixed_in is not None:
            return version < self.fixed_in
        if self.last is not None:
            return version <= self.last
        return version[:2] == self.since[:2]


def known_for(milvus: Milvus) -> tuple[Regression, ...]:
    """What is known of every version that `milvus` can be; nothing where its version is not known."""
    if milvus.low is None or milvus.high is None:
        return ()
    low, high = milvus.low, milvus.high
    return tuple(one for one in REGRESSIONS if one.affects(low) and one.affects(high))


# fmt: off
REGRESSIONS: tuple[Regression, ...] = (
    Regression((2, 2, 0), (2, 2, 1), "growing", "defect", "Growing segments are searched although their index is done.", _PULL + "21215"),
    Regression(None, (2, 2, 4), "cpu", "improvement", "Each search counts all bits of the filter bitmap.", _PULL + "22285"),
    Regression(None, (2, 2, 4), "cpu", "improvement", "A search allocates vectors of zero bytes.", _PULL + "22357"),
    Regression(None, (2, 2, 5), "segments", "defect", "Searches over a large number of segments are slow.", _PULL + "23028"),
    Regression(None, (2, 2, 7), "queue", "improvement", "Concurrent searches are merged poorly, so that throughput is lower.", _PULL + "23721"),
    Regression(None, (2, 2, 9), "filter", "improvement", "Searches whose filter removes most of the rows are slow.", _PULL + "23948"),
    Regression(None, (2, 2, 9), "filter", "improvement", "Filters on JSON fields are slow.", _PULL + "24282"),
    Regression(None, (2, 2, 10), "index_build", "regression", "Index building became slower.", _PULL + "24651"),
    Regression(None, (2, 2, 12), "reduce", "defect", "A search goes through a reduce phase that it does not need.", _PULL + "25192"),
    Regression((2, 2, 12), (2, 2, 13), "cpu", "regression", "Searches and stream consumption share one pool, and calls into segcore are not bounded.", _PULL + "26035"),
    Regression(None, (2, 3, 3), "output", "improvement", "Vectors for the output are read one after another.", _PULL + "28119"),
    Regression(None, (2, 3, 4), "growing", "defect", "Creating growing segments starts far too many threads.", _PULL + "29314"),
    Regression(None, (2, 3, 7), "cold_start", "defect", "Raw vectors are read on demand only, so that the first searches after a start are slow.", _PULL + "30289"),
    Regression(None, (2, 3, 7), "cpu", "defect", "Calls into segcore use the goroutine pool wrongly.", _PULL + "30275"),
    Regression(None, (2, 3, 7), "disk_load", "defect", "Disk indexes load slowly, for want of parameters that fit.", _PULL + "30116"),
    Regression(None, (2, 3, 7), "partition_output", "defect", "Each retrieval converts partition names and ids needlessly.", _PULL + "30255"),
    Regression(None, (2, 3, 11), "tsafe_compaction", "defect", "Contention on a lock of compaction makes channel checkpoints lag.", _PULL + "30965"),
    Regression(None, (2, 3, 19), "balance", "defect", "A new query node receives too many segments and channels.", _PULL + "34461"),
    Regression(None, (2, 4, 1), "output", "improvement", "A query reads its output before the local reduce, and so for rows that are dropped.", _PULL + "32346"),
    Regression(None, (2, 4, 3), "topk", "improvement", "The reduce of a very large top-k is slow.", _PULL + "32871"),
    Regression(None, (2, 4, 3), "delete", "improvement", "Deletes are tested against slow bloom filters.", _PULL + "32642"),
    Regression(None, (2, 4, 5), "cold_start", "defect", "Asynchronous warm-up blocks on a state lock.", _PULL + "33687"),
    Regression(None, (2, 4, 8), "memory", "defect", "Searches that miss the chunk cache together each load the same data, and memory bursts.", _PULL + "34283"),
    Regression(None, (2, 4, 10), "cpu", "improvement", "Bitmaps are slow on AVX-512 machines.", _PULL + "35480"),
    Regression(None, (2, 4, 13), "balance", "defect", "Loading and releasing repeatedly leaves segments unevenly spread.", _PULL + "36543"),
    Regression(None, (2, 4, 14), "delete", "defect", "Query nodes leak goroutines that process deletes.", _PULL + "37225"),
    Regression(None, (2, 4, 15), "delete", "defect", "L0 deletes are handled under the delta lock, which holds up searches and tSafe.", _PULL + "37340"),
    Regression(None, (2, 4, 17), "growing", "defect", "Growing segments pile up.", _PULL + "37540"),
    Regression(None, (2, 4, 21), "lock", "defect", "Loading several columns takes one coarse lock, and searches wait for it.", _PULL + "39290"),
    Regression(None, (2, 4, 21), "cpu", "improvement", "Operations on bitmaps do not use SIMD.", _PULL + "39042"),
    Regression(None, (2, 5, 3), "output", "improvement", "Retrieval does not use SIMD for its bitmaps.", _PULL + "39041"),
    Regression(None, (2, 5, 4), "lock", "defect", "Loading several columns takes one coarse lock, and searches wait for it.", _PULL + "39255"),
    Regression(None, (2, 5, 4), "index_build", "defect", "Index building starts too many threads and slows itself down.", _PULL + "39341"),
    Regression(None, (2, 5, 4), "lock", "improvement", "Query nodes hold locks that are too coarse.", _PULL + "39282"),
    Regression(None, (2, 5, 5), "filter", "improvement", "Some expressions are evaluated slowly.", _PULL + "39938"),
    Regression(None, (2, 5, 5), "hybrid", "defect", "A hybrid search loses ignore_growing and searches growing segments after all.", _PULL + "39900"),
    Regression(None, (2, 5, 9), "growing", "defect", "Building growing indexes blocks inserts and loads.", _PULL + "41013"),
    Regression(None, (2, 5, 10), "cpu", "regression", "A log statement on a hot path is written at too high a level.", _PULL + "41269"),
    Regression(None, (2, 5, 10), "filter", "improvement", "LIKE is slow.", _PULL + "41222"),
    Regression(None, (2, 5, 13), "iterator", "defect", "Iterators depend on Knowhere for their threads and are held up.", _PULL + "42133"),
    Regression(None, (2, 5, 14), "cold_start", "defect", "Filling the chunk cache shares a thread pool with other work.", _PULL + "42901"),
    Regression(None, (2, 5, 14), "cold_start", "improvement", "Columns that are in the chunk cache still go through the thread pool.", _PULL + "42804"),
    Regression(None, (2, 5, 14), "cpu", "defect", "Text and inverted indexes start a file watcher thread each.", _PULL + "42828"),
    Regression(None, (2, 5, 15), "sparse", "defect", "Sparse vectors are searched by brute force by mistake.", _PULL + "43398"),
    Regression(None, (2, 5, 19), "filter", "improvement", "Binary search over strings is slow.", _PULL + "44470"),
    Regression(None, (2, 5, 21), "filter", "improvement", "Looking up the value of a row in a BITMAP index is slow.", _PULL + "44958"),
    Regression(None, (2, 5, 23), "filter", "improvement", "Large IN lists are slow.", _PULL + "45490"),
    Regression(None, (2, 6, 3), "filter", "improvement", "Binary search over strings is slow.", _PULL + "44469"),
    Regression(None, (2, 6, 4), "filter", "improvement", "Looking up the value of a row in a BITMAP index is slow.", _PULL + "44838"),
    Regression(None, (2, 6, 6), "filter", "improvement", "Large IN lists are slow.", _PULL + "45671"),
    Regression(None, (2, 6, 6), "unindexed", "improvement", "Vector chunks of sealed segments without an index are not read ahead.", _PULL + "45666"),
    Regression(None, (2, 6, 7), "json_contains", "defect", "Filters with json_contains parse documents slowly, and partly wrongly.", _PULL + "45786"),
    Regression(None, (2, 6, 8), "filter", "improvement", "LIKE does not use the STL_SORT index.", _PULL + "46535"),
    Regression(None, (2, 6, 8), "filter", "improvement", "OR chains and ranges are not merged by the proxy.", _PULL + "46549"),
    Regression(None, (2, 6, 11), "cpu", "improvement", "Filters count the bits of their bitmaps more often than needed.", _PULL + "47546"),
    Regression(None, (2, 6, 11), "delete", "improvement", "Keeping the snapshot of the latest deletes is expensive.", _PULL + "47409"),
    Regression(None, (2, 6, 12), "cold_start", "improvement", "Large tenants are not warmed up by themselves, so that their first queries are slow.", _PULL + "47631"),
    Regression(None, (2, 6, 13), "tsafe_compaction", "defect", "Compaction holds up tSafe, and Strong reads time out.", _PULL + "47987"),
    Regression((2, 6, 7), (2, 6, 13), "proxy_cpu", "regression", "The proxy's cache of parameters fails for good, and goroutines contend on hot paths.", _PULL + "48313"),
    Regression(None, (2, 6, 13), "tsafe_restart", "defect", "After a change of the WAL's owner the replay is unbounded, and searches time out for many minutes.", _PULL + "48391"),
    Regression(None, (2, 6, 14), "cpu", "improvement", "Unfiltered searches of sealed segments work through bitmaps that they do not need.", _PULL + "48699"),
    Regression(None, (2, 6, 14), "index_build", "defect", "The scheduler hands each node one task a cycle, so that builds and compactions queue.", _PULL + "48262"),
    Regression(None, (2, 6, 14), "proxy_cpu", "improvement", "The proxy copies each request deeply for every shard.", _PULL + "48083"),
    Regression((2, 6, 0), (2, 6, 15), "prefix_like", "regression", "Prefix LIKE on a Trie index scans all values.", _PULL + "48688"),
    Regression(None, (2, 6, 15), "filter", "improvement", "Filters on primary keys are built slowly and prune no segments.", _PULL + "49040"),
    Regression(None, (2, 6, 16), "queue", "improvement", "Under a storm of requests the proxy allocates timestamps for requests that it then refuses.", _PULL + "49259"),
    Regression(None, (2, 6, 16), "filter", "improvement", "IN is evaluated without SIMD.", _PULL + "49427"),
    Regression(None, (2, 6, 16), "delete", "defect", "An L0 compaction takes 30 delta logs at most, and deletes pile up.", _PULL + "49122"),
    Regression(None, (2, 6, 16), "storage", "defect", "Reads of storage v2 stall in a pool whose size cannot be set.", _PULL + "49554"),
    Regression(None, (2, 6, 17), "load", "defect", "Loading shares thread pools with searches.", _PULL + "49764"),
    Regression(None, (2, 6, 17), "replica", "defect", "A passing error of a shard puts a replica on the blacklist.", _PULL + "49740"),
    Regression(None, (2, 6, 18), "queue", "improvement", "Under heavy load query nodes go on with requests whose deadline has passed.", _PULL + "49926"),
    Regression(None, (2, 6, 18), "load", "defect", "The work of the delegator after a load is unbounded and takes the CPU.", _PULL + "49769"),
    Regression(None, (2, 6, 18), "replica_output", "defect", "The requery does not stay with the replica that answered the search.", _PULL + "49830"),
    Regression(None, (2, 6, 19), "text_index", "defect", "Compacted segments lack their text index, and the query node builds it at load.", _PULL + "50160"),
    Regression(None, (2, 6, 19), "filter", "improvement", "JSON shredding is off by default.", _PULL + "50706"),
    Regression(None, (2, 6, 19), "filter", "improvement", "Null predicates on sealed segments are slow.", _PULL + "50586"),
    Regression((2, 6, 18), (2, 6, 20), "queue", "regression", "Small searches are hardly merged, because the merge limit fell from 1000 to 16.", _PULL + "50859"),
    Regression(None, (2, 6, 20), "filter", "improvement", "Null bitmaps are processed even if nothing is null.", _PULL + "51067"),
    Regression(None, (2, 6, 22), "filter", "improvement", "Geometry filters are evaluated unsplit, up to nine times slower.", _PULL + "52009"),
    Regression(None, (2, 6, 22), "delete", "defect", "Bulk deletes are replayed redundantly.", _PULL + "51754"),
    Regression((2, 2, 3), (2, 2, 4), "topk", "regression", "HNSW searches with a top-k of hundreds take five to ten times as long as in 2.2.2.", _ISSUE + "22570"),
    Regression((2, 2, 14), None, "cpu", "regression", "A benchmark runs three times slower than on 2.2.10; closed without a cause.", _ISSUE + "28564"),
    Regression((2, 3, 5), None, "tsafe_restart", "defect", "A rolling restart of proxies makes the others fail to wait for tSafe, with Bounded as well.", _ISSUE + "34392", last=(2, 3, 5)),
    Regression((2, 4, 23), (2, 5, 9), "collections", "defect", "With more than 4000 collections some searches are very slow or fail.", _ISSUE + "41286"),
    Regression((2, 5, 9), None, "delegator", "regression", "The p99 is much worse than on 2.4.23, mostly in the delegator; open.", _ISSUE + "44032"),
    Regression((2, 5, 10), None, "prefix_like", "regression", "Prefix LIKE on a Trie index scans all values; fixed in the 2.5 branch after 2.5.27.", _ISSUE + "48685", last=(2, 5, 27)),
    Regression((2, 6, 0), None, "growing_mmap", "defect", "With queryNode.mmap.growingMmapEnabled growing segments get no interim index and are scanned.", _ISSUE + "41500"),
    Regression((2, 6, 0), None, "disk", "regression", "In 2.6.0-rc1 DISKANN reaches a twentieth of the throughput of 2.5, with a busy disk on the streaming node.", _ISSUE + "43659", last=(2, 6, 0)),
    Regression((2, 6, 0), None, "index_build", "regression", "Data nodes now build indexes too; small ones hold up handoff, and growing segments pile up.", _ISSUE + "43657", last=(2, 6, 0)),
    Regression((2, 6, 0), None, "tiered_output", "defect", "With tiered storage vector output fields are read from object storage; open.", _ISSUE + "50820", last=(3, 0, 0)),
    Regression((3, 0, 0), None, "tsafe_writes", "defect", "Bounded searches time out on tSafe under concurrent upserts.", _ISSUE + "51916", last=(3, 0, 0)),
    Regression((2, 4, 0), (2, 4, 9), "half_precision", "defect", "Distances of half precision are computed without SIMD, up to five times slower; 2.4.9 was measured as fast.", _ISSUE + "34329"),
    Regression((2, 2, 0), (2, 4, 11), "trie_range", "defect", "Range filters on a Trie index go through the raw data.", _ISSUE + "29986"),
    Regression((2, 0, 0), (2, 1, 0), "clock", "defect", "The guarantee comes from the client's clock, so that a clock that is ahead delays every search.", _ISSUE + "16841"),
)
# fmt: on
