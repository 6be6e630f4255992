"""Pictures in files, and as the frames of an engine."""

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from golden.quantisation import dtype_range

__all__ = ["beside", "check_fit", "compare", "frames_of", "picture_of", "read_picture",
           "write_picture"]

LARGEST_SIDE = 8192


def check_fit(options, pixels):
    """Raise `ValueError` if the picture does not fit the layer."""
    channels, height, width = pixels.shape
    if height > options.height or width > options.width:
        raise ValueError(f"picture must be at most {options.width}x{options.height}, "
                         f"not {width}x{height}")
    if options.cin not in (1, channels):
        raise ValueError(f"cin must be 1 or the channels of the picture ({channels}), "
                         f"not {options.cin}")
    results = options.cout * (channels if options.cin == 1 else 1)
    if results not in (1, 3):
        raise ValueError(f"cout must be 1 or 3 to make a picture, not {results}")


def frames_of(design, pixels):
    """Frames of input codes of a picture: one, or one for each channel.

    Black is the lowest code, white the highest.
    """
    low, high = dtype_range(design.spec["dtype"])
    codes = np.rint(pixels * ((high - low) / 255)).astype(np.int64) + low
    return [codes] if len(codes) == design.spec["in_channels"] else [plane[None] for plane in codes]


def picture_of(design, outputs):
    """The picture that frames of output codes make."""
    low, high = dtype_range(design.output_dtype)
    return np.rint((np.concatenate(outputs) - low) * (255 / (high - low))).astype(np.uint8)


def compare(design, frames, outputs):
    """Raise `RuntimeError` if a pixel differs from golden."""
    for number, (codes, got) in enumerate(zip(frames, outputs)):
        different = np.argwhere(got != design.expected_codes(codes))
        if len(different):
            channel, row, column = different[0]
            raise RuntimeError(f"{len(different)} of {got.size} pixels differ from golden, the "
                               f"first in frame {number}, channel {channel}, row {row}, "
                               f"column {column}")


def read_picture(name):
    """uint8 (channels, height, width) of a picture file, or of a picture of scikit-image."""
    try:
        if not Path(name).exists() and "." not in Path(name).name:
            from skimage import data  # an extra that only the demonstration needs
            if name in ("astronaut", "camera", "coffee", "chelsea"):
                picture = Image.fromarray(getattr(data, name)())
            else:
                raise FileNotFoundError
        else:
            with Image.open(name) as picture:
                picture.load()
    except (FileNotFoundError, IsADirectoryError, ImportError):
        raise ValueError(f"photo must be a file that exists, not {name!r}") from None
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError):
        raise ValueError(f"photo must be a picture that Pillow can read, not {name!r}") from None
    if max(picture.size) > LARGEST_SIDE:
        raise ValueError(f"photo must be at most {LARGEST_SIDE} pixels a side, not "
                         f"{picture.width}x{picture.height}")
    pixels = np.asarray(picture.convert("L" if picture.mode in ("1", "L", "I;16") else "RGB"))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def write_picture(path, pixels):
    """Write uint8 (1 or 3 channels, height, width) as a PNG file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0).copy())
    scratch = path.with_name(f".{path.name}.part")
    picture.save(scratch, format="PNG")
    scratch.replace(path)


def beside(pixels, result):
    """The input, its pixels repeated up to the size of the output, beside the output."""
    rows, columns = result.shape[1:]
    repeated = pixels[:, np.arange(rows) * pixels.shape[1] // rows]
    repeated = repeated[:, :, np.arange(columns) * pixels.shape[2] // columns]
    gap = np.full((len(result), rows, max(4, columns // 64)), 255, dtype=np.uint8)
    return np.concatenate([np.broadcast_to(repeated, (len(result), rows, columns)), gap, result],
                          axis=2)
