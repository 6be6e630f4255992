"""Weights that others trained, on the generated Verilog."""

import os
from pathlib import Path

import numpy as np
import pytest

from sim.check import check

FOLDER = os.environ.get("POLYPHASE_MODELS")


@pytest.mark.skipif(FOLDER is None, reason="POLYPHASE_MODELS does not name a folder of models")
@pytest.mark.parametrize("layer", [0, 3])
def test_four_bit_generator(generate, model_cache, tmp_path, layer):
    """Transposed convolutions of a GAN (QDCGAN-PYNQ, 4-bit weights), some of their channels."""
    with np.load(Path(FOLDER) / "qdcgan_mnist_w4a4.npz") as arrays:
        weight = np.rint(arrays[f"arr_{layer}"][:4, :16] * 8).astype(int)  # (out, in, kh, kw)
    np.savez(tmp_path / "w.npz", weight=weight.swapaxes(0, 1), weight_scale=0.125,
             input_scale=1 / 16, output_scale=1 / 4, bias=np.arange(len(weight)) * 9)
    design = generate(cin=16, cout=len(weight), weight_bits=4, pi=4, po=len(weight),
                      weights=str(tmp_path / "w.npz"), activation="leaky_relu:0.2", height=5,
                      width=5)
    check(design, stalls="both", seed=layer, cache=model_cache)
