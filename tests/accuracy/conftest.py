"""The benchmark's modules are no package; they are imported by the names that they have among each other."""

import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench"
sys.path[:0] = [str(BENCH / "accuracy"), str(BENCH / "incidents")]
