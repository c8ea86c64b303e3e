"""A trained generator for other programs: a page for any browser, and an ONNX file."""

from .html import html
from .onnx import onnx

__all__ = ["html", "onnx"]
