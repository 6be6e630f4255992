"""Fixtures for all tests."""

import shutil

import pytest

from hw.options import Options
from sim.design import Design


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory):
    """Folder for compiled models, shared by all worker processes of one run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    return shared / "models"


@pytest.fixture
def generate(tmp_path):
    """Function that generates the design of some options."""
    def make(**options):
        return Design.generate(Options(**options), tmp_path)
    return make


@pytest.fixture(scope="session")
def icebox():
    """Skips the test where Project IceStorm is not installed."""
    if shutil.which("icebox_vlog") is None:
        pytest.skip("icebox_vlog is not on the PATH: Project IceStorm (Debian: fpga-icestorm)")


@pytest.fixture(scope="session")
def icarus():
    """Skips the test where Icarus Verilog is not installed."""
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed")
