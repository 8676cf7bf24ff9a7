"""`agno.media`."""

from stepwright.media import Audio, File, Image, Video

__all__ = ["Audio", "File", "Image", "Video"]
