"""The measurement as mathematics: probe, patches, propagation, scales and photon noise.

Conventions are stated once, in the module that owns them: positions and patches in `patches`,
the Fourier transform in `propagate`, the probe's gauge in `probe`, units in `scaling`.
"""
