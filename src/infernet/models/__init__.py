"""Models on this machine: a store whose folders are named by what is in them, and manifests made from model files."""

from infernet.models.onnx_file import build_onnx_manifest
from infernet.models.store import MANIFEST_FILE, ModelStore, StoredModel

__all__ = ["MANIFEST_FILE", "ModelStore", "StoredModel", "build_onnx_manifest"]
