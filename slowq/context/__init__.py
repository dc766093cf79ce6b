"""The context: what neither logs nor metrics show. A file of the user, what a running Milvus tells, or both in one."""

from slowq.context.file import completed, load, loads

__all__ = ["completed", "load", "loads"]
