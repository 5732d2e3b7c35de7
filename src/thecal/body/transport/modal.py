"""Full modal engine: every mode of the tree, and so the reference for the faster ones.

The scaled matrix of the tree is symmetric; its eigenvalues are real. Plasma and lags are closed analytically: mode k
drives them as r_k exp(lambda_k t), with r_k from one small solve, and what remains decays by itself
(transport-science 6.1). Exact up to rounding; costs the cube of the number of pools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import eigh, expm

from thecal.body.transport.course import Course, Engine
from thecal.body.transport.dosing import Dosing, timeline
from thecal.body.transport.system import PLASMA, Channels, System
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from thecal.body.transport.tree import FloatArray

MOST_SCALE_RATIO = 1e8
_EPSILON = float(np.finfo(np.float64).eps)


class Modes:
    """The modes of a system, found once and used for many dosings. UntrustedError where modes would lose digits."""

    def __init__(self, system: System) -> None:
        tree = system.tree
        if tree.scale_ratio > MOST_SCALE_RATIO:
            raise UntrustedError(
                Doubt.LOST_DIGITS, f"a scale ratio of {tree.scale_ratio:.3g}", f"up to {MOST_SCALE_RATIO:g}"
            )
        self.system = system
        scale = np.exp(tree.log_scale)
        symmetric = np.asarray(tree.matrix.todense()) * scale[None, :] / scale[:, None]
        self.rate_per_s, vectors = eigh(0.5 * (symmetric + symmetric.T))
        self.amounts = scale[:, None] * vectors
        self.begin = (vectors.T / scale[None, :]) @ system.inputs
        self._back = vectors.T / scale[None, :]
        driven = system.feed @ self.amounts
        shifted = self.rate_per_s[:, None, None] * np.eye(driven.shape[0]) - system.below
        try:
            self.driven = np.linalg.solve(shifted, driven.T[:, :, None])[:, :, 0].T
        except np.linalg.LinAlgError as error:
            found, allowed = "a mode that decays just as plasma or a lag does", "modes of their own"
            raise UntrustedError(Doubt.LOST_DIGITS, found, allowed) from error

    def start(self, state: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """Modes and remainder that stand for a state; nothing anywhere where it is None."""
        if state is None:
            return np.zeros(self.rate_per_s.size), np.zeros(PLASMA + len(self.system.lags))
        modes = self._back @ state[: self.system.tree.size]
        return modes, state[self.system.tree.size :] - self.driven @ modes

    def state(self, modes: FloatArray, rest: FloatArray) -> FloatArray:
        """States (n + 3 + lags, times) from modes (modes, times) and remainders (3 + lags, times)."""
        return np.concatenate((self.amounts @ modes, self.driven @ modes + rest))

    def run(
        self, dosing: Dosing, at_s: FloatArray, channels: Channels | None = None, *, state: FloatArray | None = None
    ) -> Course:
        """Readings of ``channels`` at ``at_s``; every state where none are named."""
        line = timeline(dosing, at_s)
        modes, rest = self.start(state)
        grown, given = _growth(self.rate_per_s, line.steps_s)
        faded, filled = _small_growth(self.system.below, line.steps_s)
        given_rest = self.driven @ self.begin
        read, row = np.unique(line.read, return_inverse=True)
        kept_modes = np.empty((read.size, modes.size))
        kept_rest = np.empty((read.size, rest.size))
        held = 0
        for k in range(line.t_s.size):
            mass = line.mass_ng[:, k]
            if mass.any():
                modes, rest = modes + self.begin @ mass, rest - given_rest @ mass
            if read[held] == k:
                kept_modes[held], kept_rest[held] = modes, rest
                held += 1
            if k < line.step_s.size:
                n, rate = line.which[k], line.rate_ng_per_s[:, k]
                modes = grown[n] * modes + given[n] * (self.begin @ rate)
                rest = faded[n] @ rest - filled[n] @ (given_rest @ rate)
        end = self.state(kept_modes[-1], kept_rest[-1])
        modes_read, rest_read = kept_modes[row].T, kept_rest[row].T
        error = self._lost(modes_read, rest_read)
        if channels is None:
            names = tuple(f"state {n}" for n in range(self.system.size))
            values = self.state(modes_read, rest_read)
        else:
            names, n = channels.names, self.system.tree.size
            weights = channels.weights[:, :n] @ self.amounts + channels.weights[:, n:] @ self.driven
            values = weights @ modes_read + channels.weights[:, n:] @ rest_read
        return Course(names, np.asarray(at_s, dtype=np.float64), values, Engine.MODAL, error, end)

    def _lost(self, modes: FloatArray, rest: FloatArray) -> float:
        """Rounding that the sums can have lost: what is added up against what is left, times the machine's epsilon."""
        parts = np.max(np.abs(self.driven) @ np.abs(modes) + np.abs(rest), axis=1)
        left = np.max(np.abs(self.driven @ modes + rest), axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(parts == 0, 1.0, parts / left)
        return float(_EPSILON * (np.max(share) + self.system.tree.scale_ratio))


def _growth(rate_per_s: FloatArray, steps_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """exp(lambda h), and what a rate of 1 has become after h, for each step (rows) and mode (columns)."""
    power = steps_s[:, None] * rate_per_s[None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        given = np.where(rate_per_s == 0, steps_s[:, None], np.expm1(power) / rate_per_s)
    return np.exp(power), given


def _small_growth(below: FloatArray, steps_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same for a small dense matrix, from one exponential of the matrix beside the identity."""
    n = below.shape[0]
    whole = np.zeros((steps_s.size, 2 * n, 2 * n))
    whole[:, :n, :n] = below * steps_s[:, None, None]
    whole[:, :n, n:] = np.eye(n) * steps_s[:, None, None]
    grown = expm(whole) if steps_s.size else whole
    return grown[:, :n, :n], grown[:, :n, n:]
