"""Files of a format that npgan does not read: what they are, and what to do with them."""

from __future__ import annotations

from pathlib import Path

# The first bytes of a file -> what it is, and what to do.
UNPACK = "unpack it, and give what is inside"
SAVE = "read it with the library for it, and save the images: np.save('images.npy', images)"
ADVICE = {
    b"BZh": f"is packed with bzip2; {UNPACK}",
    b"\xfd7zXZ": f"is packed with xz; {UNPACK}",
    b"7z\xbc\xaf": f"is a 7z archive; {UNPACK}",
    b"\x28\xb5\x2f\xfd": f"is packed with zstd; {UNPACK}",
    b"Rar!": f"is a RAR archive; {UNPACK}",
    b"\x89HDF": f"is an HDF5 file; {SAVE}",
    b"PAR1": f"is a Parquet file; {SAVE}",
    b"MATLAB": f"is a MATLAB file; {SAVE}",
    b"\x80": f"is a pickle, which can run code and is not read; {SAVE}",
    b"RIFF": "is a single file of WebP or sound; expected the folder with the images, as PNG",
    b"GIF8": "is a single image; expected the folder with the images, as PNG or JPEG",
}


def advice_on(path: Path, start: bytes) -> str:
    """What a file is that starts with these bytes, and what to do; "" if that is not known."""
    for magic, advice in ADVICE.items():
        if start.startswith(magic):
            return advice
    with path.open("rb") as file:
        head = file.read(2000)
    if head[257:262] == b"ustar":
        return f"is a tar archive; {UNPACK}"
    if head.lstrip()[:1] == b"<":
        return "is a web page or another text with tags; has the download failed?"
    if head.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS to the file; fetch the file itself with: git lfs pull"
    if head and not set(head) & (set(range(32)) - set(b"\t\n\r\f")):
        return (
            "is text, such as CSV; read its numbers, and save the pixels without the labels: "
            "np.save('images.npy', np.loadtxt(NAME, delimiter=',', dtype=int)[:, 1:])"
        )
    return ""
