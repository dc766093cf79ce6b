"""The benchmark's modules are no package; they are imported by the names that they have among each other."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "bench" / "accuracy"))
