"""The helpers say in full which assertion failed."""

import pytest

pytest.register_assert_rewrite("link_bench")
