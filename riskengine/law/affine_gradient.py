"""Characteristic function of a pricing law and its analytic gradient in the parameters, for many frequencies at once.

Two families.  Affine (variance v starts at v0, dv = kappa (theta - v) dt + xi sqrt(v) dW, price jumps at rate lam; each
jump raises v by Z ~ Exp(mean mu_v) and the log-price by N(mean + rho_J Z, sd^2)); Heston (lam = 0) and Bates (mu_v = 0)
are its special cases:

    log E[e^{sX}] = C + B v0 + lam (J I - T - s T k),   J = e^{s mean + s^2 sd^2 / 2},
    k = e^{mean + sd^2 / 2} / (1 - rho_J mu_v) - 1,     I = int_0^T dt / (c - mu_v B(t)),   c = 1 - rho_J mu_v s,

with q = s - s^2, a = kappa - rho xi s, D = sqrt(a^2 + xi^2 q), g = a - D, h = 1 - e^{-DT}, N = 2 D + g h,

    B = -q h / N,      C = kappa theta / xi^2 (g T - 2 log w),  w = N / (2 D),
    I = (a + D) T / P + 2 mu_v q / (P R) [log w + log(c - mu_v B) - log c],  P = c (a + D) + mu_v q,  R = c g + mu_v q.

The three logarithms are principal: w crosses no branch cut (Lord and Kahl 2010), and both c and c - mu_v B lie in the
right half-plane wherever Re B <= 0 and Re c > 0.  Every derivative follows by the chain rule through a, xi, c, mu_v;
since dg/da = -g / D, none of them cancels.

Levy: log E[e^{sX}] = T (-q sigma^2 / 2 + jump exponent), jumps normal (Merton 1976) or double exponential (Kou 2002).

X = log(S_T / F) is a martingale's logarithm, so both exponents vanish at s = 0 and s = 1, and so do their gradients.

References: Duffie, Pan and Singleton, Econometrica 68 (2000); Cui, del Bano Rollin and Germano, European Journal of
Operational Research 263 (2017) for the gradient of Heston.
"""

import numpy as np

from riskengine.jit import kernel

AFFINE_NAMES = ("v0", "kappa", "theta", "xi", "rho", "intensity", "mean", "sd", "variance_mean", "slope")
MERTON_NAMES = ("volatility", "intensity", "mean", "sd")
KOU_NAMES = ("volatility", "intensity", "up_share", "eta_up", "eta_down")

# below this the logarithm in I is replaced by its series: |error| of five terms is 1e-17
_SMALL = 1e-3


@kernel
def affine_lanes(s, horizon, p, jumps, value, slope):
    """log E[e^{sX}] of the affine family and its ten derivatives.

    Parameters
    ----------
    s : ndarray of complex, shape (N,)
    horizon : float
        T in years.
    p : ndarray, shape (10,)
        In the order of `AFFINE_NAMES`; kappa and xi positive.
    jumps : int
        0 without jumps (p[5:] is not read), 1 jumps in price alone (p[8:] is not read), 2 in price and variance: all
        NaN where rho_J mu_v >= 1, since the mean relative jump is infinite there.
    value : ndarray of complex, shape (N,)
        Written.
    slope : ndarray of complex, shape (10, N)
        Written; rows of parameters that are not read are zero.
    """
    v0, kappa, theta, xi, rho = p[0], p[1], p[2], p[3], p[4]
    factor = kappa * theta / (xi * xi)
    for j in range(s.size):
        z = s[j]
        q = z - z * z
        a = kappa - rho * xi * z
        d = np.sqrt(a * a + xi * xi * q)
        if d == 0.0:
            d = 1e-8 + 0.0j
        g = -xi * xi * q / (a + d) if a.real > 0.0 else a - d
        e = np.exp(-d * horizon)
        h = 1.0 - e
        n = 2.0 * d + g * h
        log_w = np.log(n / (2.0 * d))
        b = -q * h / n
        bracket = g * horizon - 2.0 * log_w
        c = factor * bracket
        # derivatives in a (at fixed xi) and in xi (at fixed a)
        da, dx = a / d, xi * q / d
        ga, gx = -g / d, -dx
        te = horizon * e
        ha, hx = te * da, te * dx
        na, nx = 2.0 * da + ga * h + g * ha, 2.0 * dx + gx * h + g * hx
        ba, bx = -q * (ha * n - h * na) / (n * n), -q * (hx * n - h * nx) / (n * n)
        wa, wx = na / n - da / d, nx / n - dx / d
        la, lx = ga * horizon - 2.0 * wa, gx * horizon - 2.0 * wx
        value[j] = c + b * v0
        ea = factor * la + ba * v0
        slope[0, j] = b
        slope[1, j] = theta / (xi * xi) * bracket + ea
        slope[2, j] = kappa / (xi * xi) * bracket
        slope[3, j] = -2.0 * c / xi + factor * lx + bx * v0 - rho * z * ea
        slope[4, j] = -xi * z * ea
        for i in range(5, 10):
            slope[i, j] = 0.0
        if jumps == 0:
            continue
        lam, mean, sd = p[5], p[6], p[7]
        size = np.exp(z * mean + 0.5 * z * z * sd * sd)
        grown = np.exp(mean + 0.5 * sd * sd)
        if jumps == 1:
            value[j] += lam * horizon * (size - 1.0 - z * (grown - 1.0))
            slope[5, j] = horizon * (size - 1.0 - z * (grown - 1.0))
            slope[6, j] = lam * horizon * z * (size - grown)
            slope[7, j] = lam * horizon * sd * z * (z * size - grown)
            continue
        mu, rj = p[8], p[9]
        if rj * mu >= 1.0:
            value[j] = np.nan
            continue
        spread = 1.0 / (1.0 - rj * mu)
        big = grown * spread
        cc = 1.0 - rj * mu * z
        m = mu * q
        top = a + d
        pp = cc * top + m
        r = cc * g + m
        k = h / (2.0 * d * cc)
        x = r * k
        tail = cc - mu * b
        # y = [log w + log(c - mu B) - log c] / R; derivatives in a, xi, c, mu
        pa, px = cc * (1.0 + da), cc * dx
        ra, rx = cc * ga, cc * gx
        if abs(x) < _SMALL:
            f = 1.0 - x * (0.5 - x * (1.0 / 3.0 - x * (0.25 - 0.2 * x)))
            fx = -0.5 + x * (2.0 / 3.0 - x * (0.75 - 0.8 * x))
            y = k * f
            ka, kx = (ha / h - da / d) * k, (hx / h - dx / d) * k
            kc = -k / cc
            ya = ka * f + k * fx * (ra * k + r * ka)
            yx = kx * f + k * fx * (rx * k + r * kx)
            yc = kc * f + k * fx * (g * k + r * kc)
            ym = k * fx * q * k
        else:
            y = (log_w + np.log(tail) - np.log(cc)) / r
            ya = (wa - mu * ba / tail - y * ra) / r
            yx = (wx - mu * bx / tail - y * rx) / r
            yc = (1.0 / tail - 1.0 / cc - y * g) / r
            ym = (-b / tail - y * q) / r
        lead, ratio = top * horizon / pp, 2.0 * m / pp
        total = lead + ratio * y
        back = total / pp
        ia = (1.0 + da) * horizon / pp - back * pa + ratio * ya
        ix = dx * horizon / pp - back * px + ratio * yx
        ic = -back * top + ratio * yc
        im = -back * q + 2.0 * q / pp * y + ratio * ym
        value[j] += lam * (size * total - horizon - z * horizon * (big - 1.0))
        lj = lam * size
        slope[1, j] += lj * ia
        slope[3, j] += lj * (ix - rho * z * ia)
        slope[4, j] += lj * (-xi * z * ia)
        slope[5, j] = size * total - horizon - z * horizon * (big - 1.0)
        slope[6, j] = lam * z * (size * total - horizon * big)
        slope[7, j] = lam * z * sd * (z * size * total - horizon * big)
        slope[8, j] = lj * (im - rj * z * ic) - lam * z * horizon * big * spread * rj
        slope[9, j] = lj * (-mu * z * ic) - lam * z * horizon * big * spread * mu


@kernel
def levy_lanes(s, horizon, p, kou, value, slope):
    """log E[e^{sX}] of diffusion with Merton's (`kou` 0) or Kou's (1) jumps, and its derivatives.

    Parameters
    ----------
    s : ndarray of complex, shape (N,)
    horizon : float
        T in years.
    p : ndarray, shape (4,) or (5,)
        In the order of `MERTON_NAMES` or `KOU_NAMES`.
    kou : int
    value : ndarray of complex, shape (N,)
        Written.
    slope : ndarray of complex, shape of (p.size, N)
        Written.
    """
    sigma, lam = p[0], p[1]
    for j in range(s.size):
        z = s[j]
        q = z - z * z
        if kou == 0:
            mean, sd = p[2], p[3]
            size = np.exp(z * mean + 0.5 * z * z * sd * sd)
            grown = np.exp(mean + 0.5 * sd * sd)
            jump = size - 1.0 - z * (grown - 1.0)
            slope[2, j] = lam * horizon * z * (size - grown)
            slope[3, j] = lam * horizon * sd * z * (z * size - grown)
        else:
            share, up, down = p[2], p[3], p[4]
            # each side less its own compensator: s up/(up - s) would cancel against k near s = 0 and s = 1
            rise = z * (z - 1.0) / ((up - z) * (up - 1.0))
            fall = z * (z - 1.0) / ((down + z) * (down + 1.0))
            jump = share * rise + (1.0 - share) * fall
            slope[2, j] = lam * horizon * (rise - fall)
            slope[3, j] = -lam * horizon * share * rise * (1.0 / (up - z) + 1.0 / (up - 1.0))
            slope[4, j] = -lam * horizon * (1.0 - share) * fall * (1.0 / (down + z) + 1.0 / (down + 1.0))
        value[j] = horizon * (-0.5 * q * sigma * sigma + lam * jump)
        slope[0, j] = -horizon * q * sigma
        slope[1, j] = horizon * jump
