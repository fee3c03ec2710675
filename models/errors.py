"""The tree of errors of ``models``.

::

    ModelError
    ├── ReleaseError             a release may not be used; the one that serves goes on serving
    │   ├── CorruptReleaseError  a file is missing, truncated, or differs from its checksum
    │   ├── UnsafeReleaseError   a file is of a kind that may run code or read other files
    │   └── MislabelledReleaseError  files, labels and shapes contradict each other
    ├── RegistryError            an alias or a version is unknown, or may not move
    ├── BaseEncoderError         the base encoder is not on this machine, or is not the one asked for
    ├── ProviderError            the execution provider that was asked for is not there
    ├── PrecisionError           the release holds no graph of the precision that was asked for
    └── InferenceError           a batch could not be scored: one of its documents is at fault, or the device
"""

from __future__ import annotations


class ModelError(Exception):
    """Base of the tree; its text is fit to print to a user."""


class ReleaseError(ModelError):
    """A release may not be used."""


class CorruptReleaseError(ReleaseError):
    """A file of the release is missing, truncated, or not the one the manifest names."""


class UnsafeReleaseError(ReleaseError):
    """The release holds a pickle, external data, or operators that are not ONNX's own."""


class MislabelledReleaseError(ReleaseError):
    """Labels, outputs and shapes of the release contradict each other."""


class RegistryError(ModelError):
    """An alias or a version is unknown, or the move is not allowed."""


class BaseEncoderError(ModelError):
    """The base encoder cannot be found, or its bytes are not the expected ones."""


class ProviderError(ModelError):
    """ONNX Runtime did not start on the provider that was asked for."""


class PrecisionError(ModelError):
    """The release holds no graph of the precision that was asked for."""


class InferenceError(ModelError):
    """A batch could not be scored; bisecting it finds the document, if it is one."""
