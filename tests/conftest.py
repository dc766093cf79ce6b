"""Property tests: short by default; `HYPOTHESIS_PROFILE=thorough` looks at a hundred times as many examples."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("short", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("short"), max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
