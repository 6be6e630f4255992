"""The scheme tflite-reference against the reference kernels of LiteRT, bit for bit."""

import numpy as np
import pytest

from golden.model import forward
from golden.quantisation import requantise, tflite_multiplier

HEIGHT, WIDTH = 9, 10


def quantised(schema, scale, zero_point=0, axis=0):
    """Parameters of a quantised tensor."""
    scale = np.atleast_1d(np.float32(scale))
    return schema.QuantizationParametersT(
        scale=scale.tolist(), zeroPoint=[int(zero_point)] * len(scale), quantizedDimension=axis)


def make_model(schema, spec, tensors, output_shape):
    """A flat buffer of a graph with one TRANSPOSE_CONV or CONV_2D of int8."""
    import flatbuffers

    transposed = spec["op"] == "conv_transpose2d"
    weight = tensors["weight"].transpose((1, 2, 3, 0) if transposed else (0, 2, 3, 1))
    bias_scale = np.float32(tensors["input_scale"]) * tensors["weight_scale"]
    contents = {     # name: (type, shape, array or None, quantisation)
        "shape": (np.int32, (4,), np.array(output_shape), None),
        "weight": (np.int8, weight.shape, weight, quantised(schema, tensors["weight_scale"])),
        "x": (np.int8, (1, HEIGHT, WIDTH, spec["in_channels"]), None,
              quantised(schema, tensors["input_scale"], spec["input_zero_point"])),
        "bias": (np.int32, tensors["bias"].shape, tensors["bias"], quantised(schema, bias_scale)),
        "y": (np.int8, output_shape, None,
              quantised(schema, tensors["output_scale"], spec["output_zero_point"]))}
    types = {np.int8: schema.TensorType.INT8, np.int32: schema.TensorType.INT32}
    buffers, made = [schema.BufferT()], []
    for name, (kind, shape, array, quantisation) in contents.items():
        if array is not None:
            buffers.append(schema.BufferT(data=np.frombuffer(
                np.ascontiguousarray(array, kind).tobytes(), np.uint8)))
        made.append(schema.TensorT(
            name=name, shape=list(map(int, shape)), type=types[kind], quantization=quantisation,
            buffer=len(buffers) - 1 if array is not None else 0))
    places = {name: n for n, name in enumerate(contents)}
    stride = spec.get("stride", [1, 1])
    if transposed:
        code, version, inputs = schema.BuiltinOperator.TRANSPOSE_CONV, 3, "shape weight x bias"
        options = schema.TransposeConvOptionsT(padding=schema.Padding.VALID, strideH=stride[0],
                                               strideW=stride[1])
        kind = schema.BuiltinOptions.TransposeConvOptions
    else:
        code, version, inputs = schema.BuiltinOperator.CONV_2D, 3, "x weight bias"
        options = schema.Conv2DOptionsT(padding=schema.Padding.VALID, strideH=1, strideW=1)
        kind = schema.BuiltinOptions.Conv2DOptions
    operator = schema.OperatorT(inputs=[places[name] for name in inputs.split()],
                                outputs=[places["y"]], builtinOptionsType=kind,
                                builtinOptions=options)
    graph = schema.SubGraphT(tensors=made, inputs=[places["x"]], outputs=[places["y"]],
                             operators=[operator])
    model = schema.ModelT(version=3, subgraphs=[graph], buffers=buffers, operatorCodes=[
        schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=code, version=version)])
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def run_reference(content, x):
    """Codes (C, H, W) of the reference kernels."""
    runtime = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = runtime.Interpreter(
        model_content=content, num_threads=1,
        experimental_op_resolver_type=runtime.OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    place, = (entry["index"] for entry in interpreter.get_input_details())
    interpreter.set_tensor(place, x.transpose(1, 2, 0)[None].astype(np.int8))
    interpreter.invoke()
    output, = (entry["index"] for entry in interpreter.get_output_details())
    return interpreter.get_tensor(output)[0].transpose(2, 0, 1).astype(np.int64)


def random_layer(op, seed, binary):
    """A layer of int8; with `binary`, scales of 1/4 and 1/8 make many ties."""
    rng = np.random.default_rng([seed, binary])
    inputs, outputs, kernel = 3 + seed, 4, rng.integers(2, 5, 2).tolist()
    shape = (inputs, outputs) if op == "conv_transpose2d" else (outputs, inputs)
    largest = 3 if binary else 127
    factor = 2.0 ** (rng.integers(-3, -1, outputs) if binary else rng.uniform(-11, -8, outputs))
    spec = {"op": op, "in_channels": inputs, "out_channels": outputs, "kernel_size": kernel,
            "padding": [[0, 0], [0, 0]], "dilation": [1, 1], "groups": 1, "dtype": "int8",
            "input_zero_point": int(rng.integers(-128, 128)), "output_zero_point": -5,
            "requant": "tflite-reference", "activation": "none"}
    if op == "conv_transpose2d":
        spec |= {"stride": rng.integers(1, 4, 2).tolist(), "output_padding": [0, 0]}
    tensors = {"weight": rng.integers(-largest, largest + 1, (*shape, *kernel)),
               "bias": rng.integers(-20 * largest, 20 * largest, outputs),
               "input_scale": np.float32(0.5), "output_scale": np.float32(0.25 if binary else 0.3),
               "weight_scale": (factor / 2).astype(np.float32)}
    return spec, tensors, rng.integers(-128, 128, (inputs, HEIGHT, WIDTH))


@pytest.mark.parametrize("binary", (False, True))
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("op", ("conv_transpose2d", "conv2d"))
def test_layer_equals_the_reference_kernels(op, seed, binary):
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    spec, tensors, x = random_layer(op, seed, binary)
    result = forward(spec, tensors, x)
    shape = (1, *result.shape[1:], result.shape[0])
    expected = run_reference(make_model(schema, spec, tensors, shape), x)
    np.testing.assert_array_equal(result, expected)
    other = forward(spec | {"requant": "onnxruntime"}, tensors, x)
    assert np.mean(result != other) > 0.01 or not binary, "ties go another way"
    assert len(np.unique(result)) > 30, "codes spread"


def test_multiplier():
    scale = np.array([0.5, 0.75, 1 - 2.0**-33, 2.0**-31, 2.0**-32, 2.0**-33, 3.0])
    multiplier, shift = tflite_multiplier(scale)
    assert multiplier.tolist() == [2**30, 3 * 2**29, 2**30, 2**30, 2**30, 0, 3 * 2**29]
    assert shift.tolist() == [31, 31, 30, 61, 62, 31, 29]


def test_two_roundings():
    """High part: half up; then half away from zero. Half of 2**-1 rounds in the first alone."""
    acc = np.arange(-6, 7)[None]
    for scale, expected in ((0.5, [-3, -2, -2, -1, -1, 0, 0, 1, 1, 2, 2, 3, 3]),
                            (0.25, [-2, -1, -1, -1, -1, 0, 0, 1, 1, 1, 1, 2, 2])):
        found = requantise(acc, [scale], 0, -128, 127, scheme="tflite-reference")
        assert found.tolist() == [expected]
