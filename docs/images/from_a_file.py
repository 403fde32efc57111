"""Draw objects of `ptycho-torch reconstruct`, one row each: amplitude and phase.

python docs/images/from_a_file.py FIGURE.png RECONSTRUCTION.npz …
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

target, *paths = sys.argv[1:]
figure, axes = plt.subplots(len(paths), 2, squeeze=False, layout="constrained")
figure.set_size_inches(6.4, 3.0 * len(paths))
for row, path in zip(axes, paths, strict=True):
    with np.load(path) as made:
        found, places = made["object"], made["positions"] - made["origin"]
    (top, left), (bottom, right) = places.min(axis=0).astype(int), places.max(axis=0).astype(int)
    found = found[top:bottom, left:right]
    found = found * np.exp(-1j * np.angle(found.sum()))  # the global phase is free
    shown = {"amplitude": np.abs(found), "phase / rad": np.angle(found)}
    for axis, (title, image) in zip(row, shown.items(), strict=True):
        drawn = axis.imshow(image, cmap="gray" if title == "amplitude" else "viridis")
        axis.set_title(f"{path}\n{title}", fontsize=8)
        figure.colorbar(drawn, ax=axis, shrink=0.8)
figure.savefig(target, dpi=100, metadata={"Software": None})
