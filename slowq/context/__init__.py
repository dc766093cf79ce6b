"""The context file: what the user knows and neither logs nor metrics show."""

from slowq.context.file import load

__all__ = ["load"]
