"""Images, videos, audio and files."""

from __future__ import annotations

from typing import Any

__all__ = ["Audio", "File", "Image", "Media", "Video"]


class Media:
    """A medium: the bytes are at a URL, in a local file, or given.

    Args:
        url: The address.
        filepath: The local file.
        content: The bytes.
        mime_type: The media type, such as `image/png`.
        name: The name for people.
    """

    kind = "file"
    __slots__ = ("url", "filepath", "content", "mime_type", "name")

    def __init__(
        self,
        url: str | None = None,
        *,
        filepath: str | None = None,
        content: bytes | None = None,
        mime_type: str | None = None,
        name: str | None = None,
    ) -> None:
        if sum(given is not None for given in (url, filepath, content)) != 1:
            raise ValueError(f"{type(self).__name__} needs one of `url`, `filepath` and `content`")
        self.url, self.filepath, self.content = url, filepath, content
        self.mime_type, self.name = mime_type, name

    def to_dict(self) -> dict[str, Any]:
        """Returns the medium as the journal has it."""
        source: dict[str, Any]
        if self.url is not None:
            source = {"url": self.url}
        elif self.filepath is not None:
            source = {"path": str(self.filepath)}
        else:
            import base64

            source = {"bytes": base64.b64encode(self.content or b"").decode()}
        found: dict[str, Any] = {"kind": self.kind, "source": source}
        if self.mime_type is not None:
            found["mime"] = self.mime_type
        if self.name is not None:
            found["name"] = self.name
        return found


class Image(Media):
    """An image."""

    kind = "image"
    __slots__ = ()


class Video(Media):
    """A video."""

    kind = "video"
    __slots__ = ()


class Audio(Media):
    """A piece of audio."""

    kind = "audio"
    __slots__ = ()


class File(Media):
    """A file."""

    kind = "file"
    __slots__ = ()


_KINDS: dict[str, type[Media]] = {"images": Image, "videos": Video, "audio": Audio, "files": File}


def described(kind: str, item: Any) -> dict[str, Any]:
    if isinstance(item, Media):
        return item.to_dict()
    if isinstance(item, dict):
        return item
    return _KINDS[kind](str(item)).to_dict()
