"""From patches to an object: stitching, phase synchronisation, refinement."""
