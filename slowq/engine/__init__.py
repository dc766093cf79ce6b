"""The reference vector engine: Milvus in small."""
