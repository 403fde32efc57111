"""Names in CXI and NXcxi_ptycho files, below an entry; see `cxi` for sources."""

from __future__ import annotations

VERSION = 160
ENTRIES = ("entry_1", "entry")
SIGNAL = 0x1000
"""CXI_PIXEL_HAS_SIGNAL: the one mask bit that marks a pixel as good."""
INVALID = 1
"""CXI_PIXEL_IS_INVALID."""

SOURCE = "instrument_1/source_1"
BEAM = "instrument_1/beam_1"
DETECTOR = "instrument_1/detector_1"
DATA = ("data_1/data", f"{DETECTOR}/data", "data/data", "instrument/detector/data")
TRANSLATION = (
    "sample_1/geometry_1/translation",
    "data_1/translation",
    f"{DETECTOR}/translation",
    "sample/transformations/translation",
)
MASK = f"{DETECTOR}/mask"
IMAGE = "image_1/data"
PROBE = (f"{SOURCE}/illumination", IMAGE)
OBJECT = "image_2/data"

# Ptychodus says here what CXI has no place for.
INDEXES = "ptychodus/probe_position_indexes"
OBJECT_PIXEL = "ptychodus/object_pixel_width_m"
CENTRE = "ptychodus/object_center_{}_m"
NPHOTONS = "ptychodus/probe_photon_count"

# And this package here.
ORIGIN = "ptycho_torch/origin_px"
"""(row, col) that a translation of 0 stands for, where there is no object."""
MEASUREMENT = "ptycho_torch/measurement"
"""What the values were before they were written as counts."""
