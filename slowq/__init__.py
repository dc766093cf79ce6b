"""slowq: why are my Milvus searches slow, and what do I change?"""

__version__ = "0.1.0"
