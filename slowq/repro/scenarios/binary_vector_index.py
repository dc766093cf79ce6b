"""Binary vectors of many bits, compared one by one with JACCARD."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "binary_vector_index",
    "binary_vector_index",
    "BIN_FLAT with JACCARD over 150,000 MinHash signatures of 64 elements",
    Setup(
        rows=150_000,
        dim=512,
        vector="BINARY_VECTOR",
        columns=(),
        metric="JACCARD",
        index="BIN_IVF_FLAT",
        index_params={"nlist": 256},
        params={"nprobe": 8},
        nq=8,
        clients=4,
    ),
    {"index": "BIN_FLAT", "index_params": {}, "params": {}},
    (
        Remedy(
            "bin_ivf",
            "BIN_IVF_FLAT",
            {"index": "BIN_IVF_FLAT", "index_params": {"nlist": 256}, "params": {"nprobe": 8}},
        ),
        Remedy("hamming", "HAMMING in the place of JACCARD", {"metric": "HAMMING"}),
        Remedy(
            "minhash_lsh",
            "MINHASH_LSH with MHJACCARD, 16 bands of 4 elements",
            {
                "index": "MINHASH_LSH",
                "metric": "MHJACCARD",
                "index_params": {"mh_lsh_band": 16, "mh_element_bit_width": 8, "with_raw_data": True},
                "params": {"mh_search_with_jaccard": True, "refine_k": 1000},
            },
        ),
    ),
)
