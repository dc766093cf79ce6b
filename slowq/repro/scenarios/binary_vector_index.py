"""Binary vectors of many bits, compared one by one with JACCARD."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "binary_vector_index",
    "binary_vector_index",
    "BIN_FLAT with JACCARD over 300,000 fingerprints of 512 bits",
    Setup(
        rows=300_000,
        dim=512,
        vector="BINARY_VECTOR",
        columns=(),
        metric="JACCARD",
        index="BIN_IVF_FLAT",
        index_params={"nlist": 256},
        params={"nprobe": 8},
        clients=6,
    ),
    {"index": "BIN_FLAT", "index_params": {}, "params": {}},
    (
        Remedy(
            "bin_ivf",
            "BIN_IVF_FLAT",
            {"index": "BIN_IVF_FLAT", "index_params": {"nlist": 256}, "params": {"nprobe": 8}},
        ),
        Remedy("hamming", "HAMMING in the place of JACCARD", {"metric": "HAMMING"}),
    ),
)
