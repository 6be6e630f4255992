"""Quantised graphs, drawn at random, as LiteRT (formerly TensorFlow Lite) computes them.

Each graph runs twice: by XNNPACK, which LiteRT takes by default and which rounds as ONNX Runtime
does, and by the reference kernels, which have integer multipliers of 31 bits and round twice.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from flatbuffers import Builder

from .cases import Case, OutOfScope, random_cases
from .drawn import draw, draw_frames

__all__ = ["case_of", "collect"]

# the runtime: its kernels, and the scheme of `golden.quantisation.requantise` that it follows
RUNTIMES = {"LiteRT, XNNPACK": (OpResolverType.AUTO, "onnxruntime"),
            "LiteRT, reference": (OpResolverType.BUILTIN_REF, "tflite-reference")}
TYPES = {"int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32}
ACTIVATIONS = {"none": schema.ActivationFunctionType.NONE,
               "relu": schema.ActivationFunctionType.RELU,
               "clamp": schema.ActivationFunctionType.RELU6}


def collect():
    """Yields a `Case` or an `Excluded` for each of the graphs in each of the runtimes."""
    for source, runtime in RUNTIMES.items():
        yield from random_cases(source, KINDS, *runtime)


def transpose_conv(rng, kernels, requant):
    spec, tensors = draw(rng, "conv_transpose2d", dtype="int8", requant=requant, dilated=False,
                         grouped=False)
    padding = _padding(rng)
    frames, spec["output_padding"] = draw_frames(rng, spec), [0, 0]
    pairs, output = [], []
    for n, k, s in zip(frames.shape[2:], spec["kernel_size"], spec["stride"]):
        full = (n - 1) * s + k
        crop = max(full - n * s, 0) if padding == "SAME" else 0
        # SAME has n * s rows, also where the kernel is smaller than the stride.
        spec["output_padding"][len(pairs)] = max(n * s - full, 0) if padding == "SAME" else 0
        pairs.append([crop // 2, crop - crop // 2])
        output.append(n * s if padding == "SAME" else full)
    spec["padding"] = pairs
    options = schema.TransposeConvOptionsT()
    options.padding = getattr(schema.Padding, padding)
    options.strideH, options.strideW = spec["stride"]
    return case_of(spec, tensors, frames, kernels, "TRANSPOSE_CONV", options,
                   tensors["weight"].transpose(1, 2, 3, 0), output)


def conv_2d(rng, kernels, requant):
    spec, tensors = draw(rng, "conv2d", dtype="int8", requant=requant, grouped=False)
    frames, options = draw_frames(rng, spec), schema.Conv2DOptionsT()
    size = _convolution(rng, spec, tensors, frames, options)
    return case_of(spec, tensors, frames, kernels, "CONV_2D", options,
                   tensors["weight"].transpose(0, 2, 3, 1), size)


def depthwise_conv_2d(rng, kernels, requant):
    spec, tensors = draw(rng, "conv2d", dtype="int8", requant=requant, grouped=False)
    # One input channel for each of the groups; some have two outputs.
    spec["groups"] = spec["in_channels"] = spec["out_channels"]
    if spec["out_channels"] % 2 == 0 and rng.random() < 0.5:
        spec["groups"] = spec["in_channels"] = spec["out_channels"] // 2
    tensors["weight"] = tensors["weight"][:, :1]
    spec["stride"] = [spec["stride"][0]] * 2  # others are not implemented
    frames, options = draw_frames(rng, spec), schema.DepthwiseConv2DOptionsT()
    options.depthMultiplier = spec["out_channels"] // spec["groups"]
    size = _convolution(rng, spec, tensors, frames, options)
    return case_of(spec, tensors, frames, kernels, "DEPTHWISE_CONV_2D", options,
                   tensors["weight"].transpose(1, 2, 3, 0), size, axis=3)


def _padding(rng):
    return str(rng.choice(["SAME", "VALID"]))


def _convolution(rng, spec, tensors, frames, options):
    """Draw padding and activation, and fill in the options; returns the size of the output."""
    padding, pairs, size = _padding(rng), [], []
    for n, k, s, d in zip(frames.shape[2:], spec["kernel_size"], spec["stride"],
                          spec["dilation"]):
        extent = d * (k - 1) + 1
        total = max((-(-n // s) - 1) * s + extent - n, 0) if padding == "SAME" else 0
        pairs.append([total // 2, total - total // 2])
        size.append((n + total - extent) // s + 1)
    spec["padding"] = pairs
    spec["activation"] = str(rng.choice(["none", "none", "relu", "clamp"]))
    if spec["activation"] == "clamp":
        spec["activation_parameters"] = [0.0, 6.0]
        tensors["output_scale"] = np.float32(rng.uniform(6, 12) / 255)
    options.padding = getattr(schema.Padding, padding)
    options.strideH, options.strideW = spec["stride"]
    options.dilationHFactor, options.dilationWFactor = spec["dilation"]
    options.fusedActivationFunction = ACTIVATIONS[spec["activation"]]
    return size


def case_of(spec, tensors, frames, kernels, operator, options, weight, size, *, axis=0):
    """The `Case` of a layer of one operator, with the codes that LiteRT gives.

    `weight` has the axes of the operator, `axis` the output channels; `size` is that of the output.
    """
    bias_scale = tensors["input_scale"] * tensors["weight_scale"]
    model = _Model(operator, options)
    x = model.tensor((len(frames), *frames.shape[2:], frames.shape[1]), "int8",
                     tensors["input_scale"], spec["input_zero_point"])
    w = model.tensor(weight.shape, "int8", tensors["weight_scale"], 0, axis, weight)
    b = model.tensor(tensors["bias"].shape, "int32", bias_scale, 0, 0, tensors["bias"])
    shape = [len(frames), *size, spec["out_channels"]]
    y = model.tensor(shape, "int8", tensors["output_scale"], spec["output_zero_point"])
    inputs = [x, w, b]
    if operator == "TRANSPOSE_CONV":
        inputs = [model.tensor((4,), "int32", data=np.array(shape)), w, x, b]
    return Case(spec=spec, tensors=tensors, frames=frames,
                codes=_run(model.pack(inputs, x, y), kernels, frames))


def _run(model, kernels, frames):
    interpreter = Interpreter(model_content=model, num_threads=1,
                              experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    delegated = any(op["op_name"] == "DELEGATE" for op in interpreter._get_ops_details())
    if kernels == OpResolverType.AUTO and not delegated:
        raise OutOfScope("XNNPACK leaves this graph to other kernels")
    (x,), (y,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(x["index"], frames.transpose(0, 2, 3, 1).astype(np.int8))
    interpreter.invoke()
    return interpreter.get_tensor(y["index"]).astype(np.int64).transpose(0, 3, 1, 2)


class _Model:
    """A model of one operator, for the flat buffer."""

    def __init__(self, operator, options):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, operator)
        code.version = 3  # with a bias, by channel
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        self.operator = schema.OperatorT()
        self.operator.builtinOptions = options
        name = type(options).__name__.removesuffix("T")
        self.operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        self.graph.tensors, self.graph.operators = [], [self.operator]
        self.model.version, self.model.operatorCodes = 3, [code]
        self.model.subgraphs, self.model.buffers = [self.graph], [schema.BufferT()]

    def tensor(self, shape, dtype, scale=None, zero_point=0, axis=0, data=None):
        """Add a tensor, constant if it has data; returns its number."""
        made = schema.TensorT()
        made.shape, made.type, made.buffer = list(shape), TYPES[dtype], 0
        made.name = f"t{len(self.graph.tensors)}"
        if scale is not None:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale = np.atleast_1d(scale).astype(np.float32)
            made.quantization.zeroPoint = np.full(np.size(scale), zero_point, np.int64)
            made.quantization.quantizedDimension = axis
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.astype(dtype).tobytes(), np.uint8)
            made.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def pack(self, inputs, x, y):
        """The bytes of the model, whose operator has these inputs; `x` and `y` are its own."""
        self.operator.inputs, self.operator.outputs = inputs, [y]
        self.graph.inputs, self.graph.outputs = [x], [y]
        builder = Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


KINDS = {"TRANSPOSE_CONV": (transpose_conv, 50), "CONV_2D": (conv_2d, 30),
         "DEPTHWISE_CONV_2D": (depthwise_conv_2d, 20)}
