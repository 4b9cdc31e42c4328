"""Exported towers: pages and sentences to vectors, on ONNX Runtime."""

from retrieval.towers.bundle import Bundle

__all__ = ["Bundle"]
