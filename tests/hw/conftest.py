"""The helpers say in full which assertion failed."""

import pytest

pytest.register_assert_rewrite("bench_helpers", "engine_bench", "ingest_bench", "walk_model")
