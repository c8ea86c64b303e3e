"""The scans of a JPEG file, each of which costs the time of a whole image when it is decoded."""

from __future__ import annotations

import re

MOST_SCANS = 64  # encoders write about ten; 4096 x 4096 pixels are decoded in seconds

START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
# Inside a scan ff 00 is a value, ff d0 to ff d7 are restarts, and ff ff fills.
MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")


def count_scans(data: bytes) -> int:
    """The scans of the first image in a JPEG file, which may be damaged."""
    scans, position = 0, 2
    while found := MARKER.search(data, position):
        marker, position = found.group(1)[0], found.end()
        if marker == END_OF_IMAGE:
            break
        if marker not in WITHOUT_LENGTH:
            position += int.from_bytes(data[position : position + 2], "big")
        scans += marker == START_OF_SCAN
    return scans
