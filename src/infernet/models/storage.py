"""Where models lie, by URI: this machine's folders, web servers, and what fsspec opens (S3 and others).

A published model is `<root>/<manifest hash>/manifest.json`, and its files are `<root>/blobs/<sha256>`, so that versions
share what they have in common. A model's plain folder, its files beside the manifest, is read as well.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from infernet.errors import InvalidInput, NodeMisconfigured, RetryLater
from infernet.models.http_storage import stream_http
from infernet.models.leftovers import remove_leftovers

CHUNK_BYTES = 1 << 20
_WRITING = ".writing-"
Report: TypeAlias = "Callable[[int], None]"
_PACKAGES = {"s3": "'infernet[s3]'", "gs": "gcsfs", "az": "adlfs", "hf": "huggingface_hub"}
"""Schemes that fsspec opens, by the package that each needs. Not all it knows: some lead back to this machine."""


@dataclass(frozen=True, slots=True)
class Location:
    """A file or a folder: its URI (or a plain path), and the headers that a web server wants.

    Attributes:
        is_foreign: somebody else wrote the URI, so it must not lead into this machine's own networks.
    """

    uri: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_foreign: bool = False

    def __truediv__(self, path: str) -> Location:
        """What lies below it."""
        if self.scheme == "file":
            return replace(self, uri=str(self.local_path / path))
        parts = urlsplit(self.uri)
        below = quote(path) if self.is_http else path
        return replace(self, uri=urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{below}")))

    @property
    def scheme(self) -> str:
        """`file` for a plain path too."""
        scheme, separator, _ = self.uri.partition("://")
        return (scheme if separator else "file").lower()

    @property
    def is_http(self) -> bool:
        return self.scheme in ("http", "https")

    @property
    def local_path(self) -> Path:
        """Of a place on this machine."""
        return Path(unquote(urlsplit(self.uri).path) if self.uri.lower().startswith("file:") else self.uri)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return urlsplit(self.uri).path.rstrip("/").rpartition("/")[2]

    @property
    def parent(self) -> Location:
        """The folder that it lies in."""
        if self.scheme == "file":
            return replace(self, uri=str(self.local_path.parent))
        parts = urlsplit(self.uri)
        return replace(self, uri=urlunsplit(parts._replace(path=parts.path.rstrip("/").rpartition("/")[0])))


def stream(location: Location, start: int = 0) -> Iterator[bytes]:
    """The bytes of a file from `start` on.

    Raises:
        FileNotFoundError: there is no such file.
        RetryLater: `storage.unreachable`.
        NodeMisconfigured: `storage.refused`, `storage.not_installed`.
        InvalidInput: `storage.unknown_scheme`.
    """
    if location.is_http:
        yield from stream_http(location.uri, location.headers, start, is_public_only=location.is_foreign)
        return
    with _translated(location), _open(location) as file:
        file.seek(start)
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def read_size(location: Location) -> int | None:
    """How many bytes a file has, None where there is none. Raises as `stream`."""
    with _translated(location):
        if location.scheme == "file":
            return location.local_path.stat().st_size if location.local_path.is_file() else None
        files, path = _open_fsspec(location)
        files.invalidate_cache()
        return int(files.size(path)) if files.exists(path) else None


def write(location: Location, source: Path, report: Report = lambda _: None) -> None:
    """Put a file there, whole or not at all.

    Args:
        report: told of each part's bytes; what it raises ends the writing.

    Raises:
        NodeMisconfigured, InvalidInput, RetryLater: as `stream` and `check_writable`; `storage.missing`.
    """
    with _translated(location):
        if location.scheme == "file":
            _replace_file(location.local_path, source, report)
            return
        files, path = _open_fsspec(location)
        try:
            files.put_file(str(source), path, callback=_build_callback(report))
        except FileNotFoundError as error:
            message = f"{location.uri} cannot be written: {_first_line(error)}"
            raise NodeMisconfigured("storage.missing", message) from error


def check_writable(location: Location) -> None:
    """Raises InvalidInput, `storage.read_only`, for a web server, and as `stream` what is wrong with the scheme."""
    if location.is_http:
        raise InvalidInput(
            "storage.read_only", f"{location.uri} can only be read: give a folder or s3://bucket/folder to upload to"
        )
    if location.scheme != "file":
        _open_fsspec(location)


def _open(location: Location) -> Any:
    if location.scheme == "file":
        if not location.local_path.is_file():  # a device or a pipe could be read for ever
            raise FileNotFoundError(location.uri)
        return location.local_path.open("rb")
    files, path = _open_fsspec(location)
    return files.open(path, "rb", block_size=8 * CHUNK_BYTES)


def _open_fsspec(location: Location) -> tuple[Any, str]:
    """The file system and the path in it."""
    check_scheme(location)
    if location.is_http:
        check_writable(location)
    try:
        import fsspec  # noqa: PLC0415  (with what it opens, heavy, and an extra)

        files, path = fsspec.core.url_to_fs(location.uri)
    except ImportError:
        raise NodeMisconfigured(
            "storage.not_installed", f"{location.scheme}:// needs a package: pip install {_PACKAGES[location.scheme]}"
        ) from None
    return files, path


def check_scheme(location: Location) -> None:
    """Raises InvalidInput, `storage.unknown_scheme`."""
    known = ("file", "http", "https", *_PACKAGES)
    if location.scheme not in known:
        raise InvalidInput(
            "storage.unknown_scheme",
            f"{location.uri} cannot be opened: the schemes are {', '.join(scheme + '://' for scheme in known)}",
        )


def _build_callback(report: Report) -> Any:
    from fsspec.callbacks import Callback  # noqa: PLC0415  (as above)

    class Told(Callback):  # type: ignore[misc]
        def relative_update(self, inc: int = 1) -> None:
            report(inc)

    return Told()


def _replace_file(target: Path, source: Path, report: Report) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target.parent, _WRITING)
    handle, temporary = tempfile.mkstemp(prefix=_WRITING, dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream, source.open("rb") as content:
            while chunk := content.read(CHUNK_BYTES):
                stream.write(chunk)
                report(len(chunk))
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)  # a web server may be meant to read it
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


@contextlib.contextmanager
def _translated(location: Location) -> Iterator[None]:
    """The errors of file systems and of their clients as ours, but for FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise NodeMisconfigured("storage.refused", f"{location.uri} is refused: {_first_line(error)}") from error
    except OSError as error:
        raise RetryLater("storage.unreachable", f"{location.uri} cannot be reached: {_first_line(error)}") from error
    except _list_client_errors(location.scheme) as error:
        raise RetryLater("storage.unreachable", f"{location.uri} cannot be reached: {_first_line(error)}") from error


def _list_client_errors(scheme: str) -> tuple[type[Exception], ...]:
    """What a client raises besides OSError."""
    if scheme != "s3":
        return ()
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    return (BotoCoreError, ClientError)


def _first_line(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
