"""An ONNX file of a generator, for other programs; the library `onnx` builds and checks it."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from .. import __version__
from ..files.atomic import atomic_write
from ..training.model import GAN
from .layers import Dense, LeakyReLU, layers_of

OPSET, IR_VERSION = 17, 8  # of 2022: every runtime of today reads them


def onnx(gan: GAN, path: str | os.PathLike[str]) -> None:
    """Write the averaged generator as an ONNX file.

    Its input `z` is float32 (n, latent), standard normal numbers. A conditional generator also has
    the input `label`, float32 (n, classes): 1 in the column of the class, 0 elsewhere. Its output
    `images` is float32 (n, *shape_), pixels in [-1, 1], or points as they are.

    Parameters
    ----------
    gan : GAN
        Trained; its layers are Dense, LeakyReLU and Tanh.
    path : path
        The file; an existing one is replaced.

    Raises
    ------
    ImportError
        If the library onnx is not installed: pip install "npgan[onnx]".

    References
    ----------
    The operators Gemm, LeakyRelu, Tanh, Concat and Reshape: https://onnx.ai/onnx/operators/
    """
    try:
        import onnx as library
        from onnx import helper, numpy_helper
    except ImportError:
        raise ImportError(
            'an ONNX file is written with the library onnx: pip install "npgan[onnx]"'
        ) from None
    layers = layers_of(gan)
    latent, classes = int(gan.config["latent"]), len(gan.classes_)
    shape = list(gan.shape_ or ())
    inputs = [helper.make_tensor_value_info("z", library.TensorProto.FLOAT, ["n", latent])]
    nodes: list[Any] = []
    constants: list[Any] = []
    value = "z"
    if classes:
        inputs.append(
            helper.make_tensor_value_info("label", library.TensorProto.FLOAT, ["n", classes])
        )
        # The networks get a label that is as long as z is on average: see `join_labels`.
        scale = np.array(math.sqrt(latent), np.float32)
        constants.append(numpy_helper.from_array(scale, "length"))
        nodes.append(helper.make_node("Mul", ["label", "length"], ["scaled"]))
        nodes.append(helper.make_node("Concat", ["z", "scaled"], ["x"], axis=1))
        value = "x"
    for i, layer in enumerate(layers):
        result = f"layer_{i}"
        if isinstance(layer, Dense):
            for name, array in (("W", layer.W), ("b", layer.b)):
                array = np.ascontiguousarray(array, np.float32)
                constants.append(numpy_helper.from_array(array, f"{i}.{name}"))
            nodes.append(helper.make_node("Gemm", [value, f"{i}.W", f"{i}.b"], [result]))
        elif isinstance(layer, LeakyReLU):
            nodes.append(helper.make_node("LeakyRelu", [value], [result], alpha=layer.slope))
        else:
            nodes.append(helper.make_node("Tanh", [value], [result]))
        value = result
    constants.append(numpy_helper.from_array(np.array([-1, *shape], np.int64), "shape"))
    nodes.append(helper.make_node("Reshape", [value, "shape"], ["images"]))
    output = helper.make_tensor_value_info("images", library.TensorProto.FLOAT, ["n", *shape])
    graph = helper.make_graph(nodes, "generator", inputs, [output], constants)
    model = helper.make_model(
        graph,
        producer_name="npgan",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    values = "pixels in [-1, 1]" if gan.pixels_ else f"points of {math.prod(shape)} numbers"
    model.doc_string = f"The averaged generator of an npgan run; images: {values}"
    library.checker.check_model(model, full_check=True)
    with atomic_write(path) as file:
        file.write(model.SerializeToString())
