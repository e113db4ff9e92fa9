"""A law whose moments exist on a finite strip only (Kou 2002): what the truth engine must live with."""

from dataclasses import dataclass

import numpy as np

from riskengine.law.fourier import FourierLaw


@dataclass(frozen=True)
class KouStub(FourierLaw):
    """Double-exponential jumps: moments exist on (-down, up)."""

    drift: float
    sigma: float
    intensity: float
    p_up: float
    up: float
    down: float
    horizon: float

    def exponent(self, s):
        s = np.asarray(s, dtype=np.complex128)
        p, q = self.p_up, 1.0 - self.p_up
        mean = p * self.up / (self.up - 1) + q * self.down / (self.down + 1) - 1
        jump = p * self.up / (self.up - s) + q * self.down / (self.down + s) - 1
        trend = self.drift - 0.5 * self.sigma**2 - self.intensity * mean
        return self.horizon * (s * trend + 0.5 * s * s * self.sigma**2 + self.intensity * jump)

    def log_mgf(self, s):
        s = np.asarray(s, dtype=np.float64)
        inside = (s > -self.down) & (s < self.up)
        return np.where(inside, self.exponent(np.where(inside, s, 0.0)).real, np.inf)

    @property
    def scale(self):
        square = self.p_up / self.up**2 + (1 - self.p_up) / self.down**2
        return float(np.sqrt(self.horizon * (self.sigma**2 + 2 * self.intensity * square)))

    @property
    def largest_jump(self):
        return 1.0 / min(self.up, self.down)
