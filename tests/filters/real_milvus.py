"""What a running Milvus selects, for the Python of .venv-milvus: `… FILE TOKEN` prints, as JSON, ids or an error for each filter.

FILE holds `{"rows": [...], "filters": [...]}`.
"""

import json
import sys
from pathlib import Path

import grpc
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, MilvusException, connections


def main(path: str, token: str) -> None:
    asked = json.loads(Path(path).read_text(encoding="utf-8"))
    connections.connect(uri="http://127.0.0.1:19530", token=token)
    fields = [
        FieldSchema("id", DataType.INT64, is_primary=True),
        FieldSchema("small", DataType.INT8),
        FieldSchema("big", DataType.INT64),
        FieldSchema("price", DataType.DOUBLE),
        FieldSchema("name", DataType.VARCHAR, max_length=50),
        FieldSchema("flag", DataType.BOOL),
        FieldSchema("meta", DataType.JSON),
        FieldSchema("tags", DataType.ARRAY, element_type=DataType.INT64, max_capacity=10),
        FieldSchema("vector", DataType.FLOAT_VECTOR, dim=2),
    ]
    collection = Collection("filters", CollectionSchema(fields, enable_dynamic_field=True))
    collection.insert([{**row, "vector": [0.0, 1.0]} for row in asked["rows"]])
    collection.create_index("vector", {"index_type": "FLAT", "metric_type": "L2", "params": {}})
    collection.load()
    # Waits until all rows are there, which the others then need not.
    collection.query("id >= 0", output_fields=["id"], consistency_level="Strong")

    def ask(text: str) -> object:
        try:
            found = collection.query(text, output_fields=["id"], consistency_level="Eventually", timeout=20)
        except (MilvusException, grpc.RpcError) as error:
            return str(error)
        return sorted(one["id"] for one in found)

    json.dump([ask(text) for text in asked["filters"]], sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
