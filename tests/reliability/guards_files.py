"""The guards of what is read: data files, checkpoints, and the command line."""

NUMPY = "npgan/datasets/numpy_files.py"
IDX = "npgan/datasets/idx.py"
FOLDER = "npgan/datasets/folder.py"
READERS = "npgan/datasets/readers.py"
ARRAYS = "npgan/datasets/arrays.py"
CHECKPOINT = "npgan/files/checkpoint.py"
VALIDATION = "npgan/training/validation.py"
OUTPUT = "npgan/cli/output.py"

F1 = "tests/reliability/test_data_files.py -o addopts= -k "
F2 = "tests/reliability/test_checkpoints.py -o addopts= -k "
BOMBS = "tests/test_datasets.py::TestBombs::"
LOAD = "tests/test_datasets.py::TestLoadMistakes::"
OLD = "tests/test_checkpoint.py -k "
NEVER = "if False:"

# (file, text, what stands in its place, tests)
GUARDS = [
    # ---- data ----
    (NUMPY, "if expected != held or min(shape, default=0) < 0 or not counted:", NEVER, BOMBS + "test_absurd_header"),
    (NUMPY, " or not counted:", ":", F1 + "nothing"),
    (NUMPY, "check_packed(info.file_size, min(info.compress_size, self.size), where)", "pass", BOMBS + "test_npz"),
    (NUMPY, "if len(self.members) < len(members):", NEVER, BOMBS + "test_npz_with_two_arrays_of_one_name"),
    (NUMPY, "if not members:", NEVER, BOMBS + "test_zips_that_are_no_npz"),
    (IDX, ' or magic[:2] != b"\\0\\0" or magic[2] not in TYPES:', ":", F1 + "idx"),
    (IDX, "if magic[2] != UINT8:", NEVER, F1 + "idx"),
    (IDX, "if len(lengths) < 4 * magic[3]:", NEVER, F1 + "idx"),
    (IDX, "if len(shape) > MOST_AXES:", NEVER, BOMBS + "test_idx_of_many_axes"),
    (IDX, "if size == 0 and math.prod(n or 1 for n in shape) > LARGEST:", NEVER, BOMBS + "test_idx_of_no_bytes_and_large_axes"),
    (IDX, "        check_packed(size, file_size, name)", "        pass", BOMBS + "test_gzip"),
    (IDX, "if len(data) < size:", NEVER, F1 + "idx"),
    (IDX, "if file.read(1):", NEVER, F1 + "idx"),
    (IDX, "except EOFError:", "except KeyError:", F1 + "gz"),
    (IDX, "except (gzip.BadGzipFile, zlib.error) as error:", "except KeyError as error:", F1 + "gz"),
    ("npgan/datasets/packing.py", "return size > max(HARMLESS, RATIO * packed)", "return False", BOMBS + "test_gzip"),
    (FOLDER, "if is_implausible(size, held):", NEVER, F1 + "bits"),
    (FOLDER, "if image.width * image.height > MOST_PIXELS:", NEVER, BOMBS + "test_large_png"),
    (FOLDER, ' or "transparency" in image.info:', ":", F1 + "transparent"),
    (FOLDER, 'if image.format == "PNG" and getattr(image, "is_animated", False):', NEVER, F1 + "animation"),
    (FOLDER, 'if image.format != "PNG" and (scans := count_scans(path.read_bytes())) > MOST_SCANS:', NEVER, F1 + "scans"),
    ("npgan/datasets/jpeg.py", "if marker == END_OF_IMAGE:", NEVER, F1 + "scans"),
    ("npgan/datasets/jpeg.py", "if marker not in WITHOUT_LENGTH:", NEVER, F1 + "scans"),
    (FOLDER, 'warnings.simplefilter("ignore")', "pass", F1 + "EXIF"),
    (FOLDER, "[path.name for path in files if not path.is_file()]", "[]", "tests/test_datasets.py -k broken"),
    (FOLDER, "[path.name for path in entries if path.suffix.lower() in OTHER_IMAGES]", "[]", F1 + "webp"),
    (FOLDER, "if total > len(files):", NEVER, F1 + "preview"),
    (FOLDER, "if image.shape != first.shape:", NEVER, F1 + "sizes"),
    (FOLDER, "pixels = pixels[::-1]", "pass", F1 + "turned"),
    (FOLDER, "pixels = pixels[:, ::-1]", "pass", F1 + "turned"),
    (READERS, "except RuntimeError as error:", "except KeyError as error:", F1 + "nobody"),
    (READERS, "except OSError as error:", "except KeyError as error:", LOAD + "test_unreadable"),
    (READERS, "if labels is not None and not labels.is_file():", NEVER, F1 + "labels"),
    (READERS, "if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):", NEVER, LOAD + "test_load_of_what_is_no_name"),
    (READERS, "if pictures := [n for n in names if Path(n).suffix.lower() in SUFFIXES]:", NEVER, "tests/test_datasets.py"),
    (ARRAYS, "    check_numbers(array, where)\n", "", F1 + "bool"),
    (ARRAYS, "if array.size == 0:", NEVER, F1 + "images"),
    (ARRAYS, 'if array.shape not in [(n,), (n, 1)] or array.dtype.kind not in "iu":', NEVER, F1 + "labels"),
    (ARRAYS, "if array.max() > np.iinfo(np.int64).max:", NEVER, F1 + "labels"),
    ("npgan/datasets/scales.py", "if not (math.isfinite(low) and math.isfinite(high)):", NEVER, F1 + "NaN"),
    ("npgan/datasets/base.py", "super().__init__(printable(text))", "super().__init__(text)", F1 + "2J"),
    ("npgan/datasets/shapes.py", "if n == h >= SMALLEST and w != h:", NEVER, F1 + "counts"),
    ("npgan/datasets/shapes.py", "if len(shape) == 2 and _is_one_image(*shape, floating):", NEVER, "tests/test_datasets.py -k doubtful_shapes"),
    ("npgan/datasets/scales.py", "if low == high:", NEVER, "tests/test_datasets.py -k implausible_ranges"),
    ("npgan/datasets/scales.py", "if math.isfinite(factor):", "if True:", "tests/test_datasets.py -k implausible_ranges"),
    ("npgan/files/zips.py", "zipfile.ZipFile(bounded)", "zipfile.ZipFile(file)", F2 + "million"),
    # ---- checkpoints ----
    (CHECKPOINT, "if not stored or member.file_size != member.compress_size:", NEVER, OLD + "bomb"),
    (CHECKPOINT, "if names.count(name) > 1:", NEVER, OLD + "second_member"),
    (CHECKPOINT, "if min(shape, default=0) < 0 or size != len(data) - stream.tell():", NEVER, OLD + "promises"),
    (CHECKPOINT, 'if found is None or found[1] != digest(arrays, DIGEST.sub("}", text)):', NEVER, OLD + "two_checkpoints"),
    (CHECKPOINT, "if len(entries) < len(pairs):", NEVER, F2 + "twice"),
    (CHECKPOINT, "if type(found) is not int or found != FORMAT:", "if found != FORMAT:", F2 + "format"),
    (CHECKPOINT, 'text = "".join(c if c.isprintable() else "?" for c in text)', "pass", F2 + "2J"),
    (VALIDATION, "if name not in ENTRIES:", NEVER, F2 + "known"),
    (VALIDATION, "if name not in expected and name not in steps:", NEVER, F2 + "also"),
    (VALIDATION, " or not np.isfinite(array).all():", ":", F2 + "NaN"),
    (VALIDATION, " or array.shape != (size,)", "", F2 + "axes"),
    (VALIDATION, "if array.dtype != np.float32 or", "if", F2 + "f8"),
    (VALIDATION, 'if name.endswith("_v") and (array < 0).any():', NEVER, F2 + "minus"),
    (VALIDATION, "if array.dtype not in (np.int64, np.int32) or array.shape != ():", NEVER, F2 + "adam_G_t"),
    (VALIDATION, "if not epoch + position <= steps < MAX_STEPS:", NEVER, F2 + "adam_G_t"),
    (VALIDATION, 'if not 0 <= updates - config["d_steps"] * steps <= config["d_steps"]:', NEVER, F2 + "adam_D_t"),
    (VALIDATION, 'require(data["count"] > 0,', "require(True,", F2 + "range"),
    (VALIDATION, "require(0 <= data[name] <= MAX_CRC32,", "require(True,", F2 + "range"),
    # ---- the command line ----
    (OUTPUT, "print_message(shorten(printable(one_line(line))))", "print_message(line)", "tests/test_cli.py -k short_printable"),
    ("npgan/cli/arguments.py", 'shorten(line, LONGEST_ERROR - len(end))', "line", "tests/test_cli.py -k short_printable"),
]  # fmt: skip
