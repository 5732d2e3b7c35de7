"""Profiles along the canal on cells of equal length, and the flux between cells.

The area of fluid is wide in the lumbar sac, narrow in the middle of the thorax and wide at C1-2; its shape is data and
is scaled to the volume of the person. Volumes of cells are exact integrals, so that they sum to the person's on any
grid.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from thecal.body.spine.physiology import area_shape

if TYPE_CHECKING:
    from thecal.body.spine.physiology import Physiology
    from thecal.body.transport.tree import FloatArray


@cache
def _shape() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Shares of the canal, areas over their mean, and the share of the volume that lies below each."""
    shape = area_shape()
    share, relative = np.array(shape.share), np.array(shape.relative)
    part = np.diff(share) * (relative[1:] + relative[:-1]) / 2
    return share, relative / part.sum(), np.append(0.0, np.cumsum(part) / part.sum())


@cache
def edge_shares(cells: int) -> FloatArray:
    """Edges of cells as shares of the canal; shape (cells + 1,)."""
    return _fixed(np.arange(cells + 1) / cells)


def centers_cm(canal_cm: float, cells: int) -> FloatArray:
    """The middle of each cell."""
    return np.asarray((np.arange(cells) + 0.5) * (canal_cm / cells))


def area_cm2(physiology: Physiology, at_cm: FloatArray) -> FloatArray:
    """Cross-section of fluid; its integral over the canal is the volume."""
    share, relative, _ = _shape()
    return np.asarray(np.interp(at_cm / physiology.canal_cm, share, relative)) * (
        physiology.csf_ml / physiology.canal_cm
    )


@cache
def fluid_shares(cells: int) -> FloatArray:
    """The share of the fluid that lies in each cell; sums to 1."""
    share, relative, below = _shape()
    edge = edge_shares(cells)
    knot = np.clip(np.searchsorted(share, edge, side="right") - 1, 0, share.size - 2)
    at_edge = np.interp(edge, share, relative)
    return _fixed(np.diff(below[knot] + (edge - share[knot]) * (relative[knot] + at_edge) / 2))


def _fixed(array: FloatArray) -> FloatArray:
    """The array, which nobody may change any more: it is shared by all grids of its size."""
    array.setflags(write=False)
    return array


def tissue_ml(physiology: Physiology, cells: int) -> FloatArray:
    """Cord and roots in each cell: roots evenly everywhere, the cord evenly above the conus."""
    conus = physiology.conus_share
    above = np.maximum(edge_shares(cells) - conus, 0.0) * (physiology.cord_ml / (1 - conus))
    return np.diff(above) + physiology.root_ml / cells


def dispersion_cm2_per_s(physiology: Physiology, molecular_cm2_per_s: float, at_cm: FloatArray) -> FloatArray:
    """D(x) = D_m + kappa f_c (SV_c/A)^2 + kappa f_r (SV_r/A)^2 (transport-science 5.1)."""
    beats = physiology.heart_per_min / 60 * physiology.stroke_ml**2
    breaths = physiology.breaths_per_min / 60 * physiology.breath_stroke_ml**2
    fall = (at_cm / physiology.canal_cm) ** physiology.stroke_exponent / area_cm2(physiology, at_cm)
    return np.asarray(molecular_cm2_per_s + physiology.kappa * (beats + breaths) * fall**2)


def bernoulli(z: FloatArray) -> FloatArray:
    """z / (exp(z) - 1), 1 at 0: the exponentially fitted share of a face flux; never under 0."""
    small = np.abs(z) < 1e-8
    safe = np.where(small, 1.0, z)
    with np.errstate(over="ignore"):
        return np.asarray(np.where(small, 1.0 - z / 2, safe / np.expm1(safe)))


def spread(canal_cm: float, cells: int, tip_cm: float, width_cm: FloatArray) -> FloatArray:
    """Shares (cells, widths) of what is given at the tip: normal densities about it, whole within the canal."""
    edge_cm = edge_shares(cells) * canal_cm
    share = np.diff(ndtr((edge_cm[:, None] - tip_cm) / width_cm[None, :]), axis=0)
    return np.asarray(share / share.sum(axis=0))
