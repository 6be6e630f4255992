"""The table of all cases: what is right, what is refused, and what is out of scope."""

from importlib.metadata import version

from .cases import Excluded

__all__ = ["RATE", "failures", "summary", "write"]

RATE = 1e-5  # of the codes that float arithmetic may round the other way, next to a tie

LISTED = ("ONNX node tests", "PyTorch samples", "TensorFlow Lite vectors")
HEAD = """# Conformance

Answers that nobody here wrote, beside `golden` and the generated Verilog. Written by
`make conformance` (`python -m conformance`), from:

- **ONNX node tests**: `onnx.backend.test.case.node` of onnx {onnx}, whose whole numbers run as
  integers with scale 1, accumulators and codes compared; clipped where they exceed 16 bits.
- **PyTorch samples**: the `OpInfo` sample inputs of torch {torch}, with integers, computed by
  PyTorch in int64; interpolate, whose samples have fractions for factors, also by whole factors in
  the shapes of the samples, in float64.
- **TensorFlow Lite vectors**: the values of `transpose_conv_test.cc`, TensorFlow 057091db, whose
  quantised ones of 8 bits want the scheme `tflite-reference`.
- **LiteRT** {ai_edge_litert}: random quantised graphs, by XNNPACK (scheme `onnxruntime`) and by the
  reference kernels (scheme `tflite-reference`).
- **ONNX Runtime** {onnxruntime}: random quantised graphs, QuantizeLinear and DequantizeLinear
  around the operators, with `session.x64quantprecision = 1`. ConvTranspose, and Conv behind Resize
  linear, are computed in float32 there, so that results next to the middle between two codes may
  differ by one: at most {rate} of them may, and only within {tie} of a code from the middle.

Golden is compared with every answer, exactly but for that exception, and the Verilog with golden,
exactly, but for every second random graph. A case is *refused* where `hw.gen` does so, with the
message below, and *out of scope* where it is no layer of this project.
"""


def failures(results):
    """What is wrong, line by line."""
    lines = [f"{r.case.source}, {r.case.name}: {r.failure}" for r in _outcomes(results)
             if r.failure]
    near, codes = (sum(getattr(r, field) for r in _outcomes(results) if r.case.near_ties)
                   for field in ("near", "golden"))
    if near > RATE * codes:
        lines.append(f"{near} of {codes} codes are rounded the other way next to a tie, "
                     f"more than {RATE:g} of them")
    return lines


def summary(results):
    """Rows by source and operator, and their sum, in the columns `COLUMNS`."""
    groups = {}
    for result in results:
        groups.setdefault(_where(result), []).append(result)
    rows = [(*where, *_counts(found)) for where, found in groups.items()]
    return [*rows, ("all", "", *_counts(results))]


COLUMNS = ("source", "operator", "cases", "right", "wrong", "refused", "out of scope",
           "codes of golden", "next to a tie, differ by 1", "codes of the Verilog")


def _counts(results):
    outcomes = list(_outcomes(results))
    wrong = sum(r.failure is not None for r in outcomes)
    refused = sum(r.refused is not None for r in outcomes if r.failure is None)
    numbers = [len(results), len(outcomes) - wrong - refused, wrong, refused,
               len(results) - len(outcomes),
               *(sum(getattr(r, field) for r in outcomes)
                 for field in ("golden", "near", "verilog"))]
    return [f"{number:,}" for number in numbers]


def write(results):
    """The page, in Markdown, of a list of `Outcome` and `Excluded`."""
    packages = ("onnx", "onnxruntime", "torch", "ai-edge-litert")
    versions = {name.replace("-", "_"): version(name).partition("+")[0] for name in packages}
    parts = [HEAD.format(**versions, rate=f"{RATE:g}", tie="1e-4"),
             _table(COLUMNS, summary(results))]
    if lines := failures(results):
        parts.append("## Wrong\n\n" + "\n".join(f"- {line}" for line in lines))
    refused = [(r.refused, r.case) for r in _outcomes(results) if r.refused]
    excluded = [(r.reason, r) for r in results if isinstance(r, Excluded)]
    for title, column, found in (("Refused", "message of hw.gen", refused),
                                 ("Out of scope", "reason", excluded)):
        if found:
            parts.append(f"## {title}\n\n" + _table((column, "cases"), _by_message(found)))
    for source in LISTED:
        rows = [(r.case.name, _layer(r.case), _result(r)) for r in _outcomes(results)
                if r.case.source == source]
        parts.append(f"## {source}\n\n" + _table(("case", "layer", "result"), rows))
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _outcomes(results):
    return (result for result in results if not isinstance(result, Excluded))


def _where(result):
    case = result if isinstance(result, Excluded) else result.case
    return case.source, case.operator


def _by_message(found):
    """(message, who has it), each source and operator with its number of cases."""
    groups = {}
    for message, case in found:
        names = groups.setdefault(message, {}).setdefault(f"{case.source}, {case.operator}", [])
        names.append(case.name)
    return [(message, "; ".join(f"{where}: {len(names)}" for where, names in sources.items()))
            for message, sources in groups.items()]


def _result(outcome):
    if outcome.failure:
        return outcome.failure
    if outcome.refused:
        return "refused: " + outcome.refused
    return "golden and Verilog" if outcome.verilog else "golden"


def _layer(case):
    """The layer in one line."""
    spec, shapes = case.spec, [case.frames.shape, case.codes.shape]
    words = [spec["op"], " to ".join("x".join(map(str, shape[1:])) for shape in shapes)]
    for field, letter in (("kernel_size", "k"), ("stride", "s"), ("upscale_factor", "s"),
                          ("scale_factor", "s"), ("padding", "p"), ("output_padding", "op_pad"),
                          ("dilation", "dilation"), ("groups", "groups"), ("mode", ""),
                          ("coordinates", ""), ("order", "")):
        value = spec.get(field)
        if value is not None and value not in (1, [0, 0], [[0, 0], [0, 0]]) and (
                value != [1, 1] or field == "kernel_size"):
            words.append(f"{letter} {_text(value)}".strip())
    formats = spec["dtype"] + (f" to {spec['output_dtype']}" if "output_dtype" in spec else "")
    return ", ".join([*words, formats])


def _text(value):
    if not isinstance(value, list):
        return str(value)
    return ",".join(_text(item) for item in value)


def _table(columns, rows):
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |"
                     for line in lines)
