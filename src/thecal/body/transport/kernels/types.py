"""The arrays that compiled loops take, by name, for readers and the type checker."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Pools = tuple[Ints, Floats, Floats, Floats]  # parent, up, down, loss
# Of plasma: the rates of its modes, how the central compartment enters them, how compartments read them. Of lags: their
# rates, those times the weights of plasma, and how they follow the modes of plasma.
Below = tuple[Floats, Floats, Floats, Floats, Floats, Floats]
Taken = tuple[Floats, Ints, Ints]  # rows, the places in each that are not zero, and how many they are
