"""Second set: time steps, filters, fixed points and physics (see gradcheck_more_kinds.py)."""

# fmt: off
from __future__ import annotations

import numpy as np
from gradcheck_more_kinds import edit, kind
from gradcheck_more_maths import sigmoid


def field(z, W, b):
    return np.tanh(z @ W + b)


def neural_ode(z, W, b):
    """four steps of Runge and Kutta for z' = tanh(z W + b)"""
    for _ in range(4):
        k1 = field(z, W, b)
        k2 = field(z + 0.125 * k1, W, b)
        k3 = field(z + 0.125 * k2, W, b)
        k4 = field(z + 0.25 * k3, W, b)
        z = z + 0.25 / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return z


def d_neural_ode(dout, z, W, b):
    h, tape = 0.25, []
    for _ in range(4):
        zs, ks = [z], [field(z, W, b)]
        for step in (h / 2, h / 2, h):
            zs.append(z + step * ks[-1])
            ks.append(field(zs[-1], W, b))
        tape.append((zs, ks))
        z = z + h / 6 * (ks[0] + 2 * ks[1] + 2 * ks[2] + ks[3])
    dz, dW, db = dout, np.zeros_like(W), np.zeros_like(b)
    for zs, ks in reversed(tape):
        total, carry = dz, 0
        for i in (3, 2, 1, 0):
            dk = dz * h / 6 * (1, 2, 2, 1)[i] + carry
            da = dk * (1 - ks[i] ** 2)
            dW += zs[i].T @ da
            db += da.sum(0)
            dzi = da @ W.T
            total = total + dzi
            carry = dzi * (0, h / 2, h / 2, h)[i]
        dz = total
    return dz, dW, db


NEURAL_ODE = kind(
    "neural ODE", neural_ode, d_neural_ode, lambda r: (r(3, 3), r(3, 3), r(3)),
    edit("(0, h / 2, h / 2, h)[i]", "(0, h, h / 2, h / 2)[i]", "order swapped"),
    edit(" + carry\n", "\n", "term recursion"),
    edit("(1, 2, 2, 1)[i] + carry", "(1, 1, 1, 1)[i] + carry", "factor"),
    edit("total = total + dzi", "total = dz + dzi", "repeat term recursion"),
    edit("dzi = da @ W.T", "dzi = da @ W", "transpose"),
    edit("dz = total\n", "pass\n", "recursion"),
    edit("zs[i].T @ da", "zs[0].T @ da", "stale"),
    edit("reversed(tape)", "tape", "order recursion"),
    edit(" * (1 - ks[i] ** 2)", " * (1 - zs[i] ** 2)", "local stale"),
)


def pendulum(theta, omega, length):
    """(final angle - 0.5)² of three pendulums after 12 steps of symplectic Euler"""
    for _ in range(12):
        omega = omega - 0.1 * 9.81 / length * np.sin(theta)
        theta = theta + 0.1 * omega
    return np.sum((theta - 0.5) ** 2)


def d_pendulum(theta, omega, length):
    angles = []
    for _ in range(12):
        angles.append(theta)
        omega = omega - 0.1 * 9.81 / length * np.sin(theta)
        theta = theta + 0.1 * omega
    d_theta, d_omega, d_length = 2 * (theta - 0.5), 0, 0
    for a in angles[::-1]:
        d_omega = d_omega + 0.1 * d_theta
        d_length = d_length + np.sum(d_omega * 0.1 * 9.81 / length**2 * np.sin(a))
        d_theta = d_theta - d_omega * 0.1 * 9.81 / length * np.cos(a)
    return d_theta, d_omega, d_length


PENDULUM = kind(
    "pendulum", pendulum, d_pendulum, lambda r: (r(3), r(3), r(low=0.8, high=1.5)),
    edit("2 * (theta - 0.5), 0, 0", "(theta - 0.5), 0, 0", "factor"),
    edit("length * np.cos(a)", "length * np.sin(a)", "local"),
    edit("length**2 * np.sin(a))", "length * np.sin(a))", "local factor"),
    edit("length**2 * np.sin(a))", "length**2 * np.cos(a))", "local"),
    edit("angles[::-1]", "angles", "order recursion"),
    edit("angles[::-1]", "angles[:0:-1]", "recursion"),
    edit("d_omega = d_omega + 0.1 * d_theta", "d_omega = 0.1 * d_theta", "recursion term"),
    edit("d_theta - d_omega", "d_theta + d_omega", "sign"),
    style="loss",
)


def scan(x, a, B, C):
    """a linear state space model: h' = sigmoid(a) h + x B, y = h C"""
    h, out = np.zeros(len(a)), []
    for xt in x:
        h = sigmoid(a) * h + xt @ B
        out.append(h @ C)
    return np.stack(out)


def d_scan(dout, x, a, B, C):
    s, states = sigmoid(a), [np.zeros(len(a))]
    for xt in x:
        states.append(s * states[-1] + xt @ B)
    dh, da = np.zeros_like(states[0]), np.zeros_like(states[0])
    dx, dB, dC = np.zeros_like(x), np.zeros_like(B), np.zeros_like(C)
    for t in reversed(range(len(x))):
        dh = dh + dout[t] @ C.T
        dC += np.outer(states[t + 1], dout[t])
        dB += np.outer(x[t], dh)
        dx[t] = B @ dh
        da += dh * states[t] * s * (1 - s)
        dh = dh * s
    return dx, da, dB, dC


SCAN = kind(
    "state space scan", scan, d_scan, lambda r: (r(6, 3), r(4), r(3, 4), r(4, 2)),
    edit("        dh = dh * s\n", "        dh = 0\n", "recursion"),
    edit("        dh = dh * s\n", "", "local recursion"),
    edit("states[t + 1], dout[t]", "states[t], dout[t]", "order stale"),
    edit("dh * states[t] * s", "dh * states[t + 1] * s", "order stale"),
    edit(" * s * (1 - s)", "", "local"),
    edit("dB += ", "dB = ", "repeat recursion term"),
    edit("dh = dh + dout[t] @ C.T", "dh = dout[t] @ C.T", "recursion term"),
    edit("dh = dh + dout[t] @ C.T", "dh = dh + dout[-1] @ C.T", "dout"),
)

def equilibrium(W, U, x, b):
    """z with z = tanh(W z + U x + b), by iteration"""
    z = np.zeros(len(b))
    for _ in range(500):
        old, z = z, np.tanh(0.4 * W @ z + U @ x + b)
        if np.max(np.abs(z - old)) < 1e-13:
            break
    return z


def d_equilibrium(dout, W, U, x, b):
    z = equilibrium(W, U, x, b)
    s = 1 - z**2
    adjoint = dout
    for _ in range(500):  # v = dout + (0.4 W)ᵀ (s v), solved by iteration, too
        old, adjoint = adjoint, dout + 0.4 * W.T @ (s * adjoint)
        if np.max(np.abs(adjoint - old)) < 1e-12 * np.max(np.abs(dout)):
            break
    d = s * adjoint
    return 0.4 * np.outer(d, z), np.outer(d, x), U.T @ d, d


EQUILIBRIUM = kind(
    "fixed point", equilibrium, d_equilibrium, lambda r: (0.5 * r(3, 3), r(3, 2), r(2), r(3)),
    edit("d = s * adjoint", "d = s * dout", "recursion path"),
    edit("0.4 * W.T @ (s", "0.4 * W @ (s", "transpose"),
    edit("return 0.4 * np.outer", "return np.outer", "factor"),
    edit("d = s * adjoint", "d = adjoint", "local"),
    edit("W.T @ (s * adjoint)", "W.T @ adjoint", "local recursion"),
    edit("< 1e-12 *", "< 0.5 *", "recursion eps"),
    edit("np.outer(d, x)", "np.outer(d, z[:2])", "stale swapped"),
    without="inputs x 1e3", precision=1e-11,  # iterations stop at 1e-13
)


def kalman(m, P, F, H, y):
    """-log p(y) of one step: prediction with F, observation with H"""
    mp = F @ m
    S = H @ (F @ P @ F.T + 0.5 * np.eye(3)) @ H.T + 0.3 * np.eye(2)
    e = y - H @ mp
    return 0.5 * e @ np.linalg.solve(S, e) + 0.5 * np.linalg.slogdet(S)[1]


def d_kalman(m, P, F, H, y):
    mp = F @ m
    Pp = F @ P @ F.T + 0.5 * np.eye(3)
    S = H @ Pp @ H.T + 0.3 * np.eye(2)
    w = np.linalg.solve(S, y - H @ mp)
    dS = 0.5 * (np.linalg.inv(S) - np.outer(w, w))
    dPp = H.T @ dS @ H
    dH = 2 * dS @ H @ Pp - np.outer(w, mp)
    dmp = -H.T @ w
    dF = np.outer(dmp, m) + 2 * dPp @ F @ P
    return F.T @ dmp, F.T @ dPp @ F, dF, dH, w


def positive(a):
    return a @ a.T + np.eye(len(a))


KALMAN = kind(
    "Kalman filter step", kalman, d_kalman, lambda r: (r(3), positive(r(3, 3)), r(3, 3), r(2, 3), r(2)),
    edit("2 * dS @ H @ Pp", "dS @ H @ Pp", "factor symmetry term"),
    edit(" - np.outer(w, mp)", "", "term"),
    edit("2 * dPp @ F @ P", "dPp @ F @ P", "factor symmetry term"),
    edit("np.outer(dmp, m) + 2", "2", "term"),
    edit("F.T @ dPp @ F", "F @ dPp @ F.T", "transpose"),
    edit("dmp = -H.T @ w", "dmp = H.T @ w", "sign"),
    edit("- np.outer(w, w))", ")", "term"),
    edit("return F.T @ dmp", "return F @ dmp", "transpose"),
    style="loss",
)

def n_body(x, m):
    """potential energy of N bodies, softened; x (N, 3)"""
    d = x[:, None] - x
    r = np.sqrt((d**2).sum(-1) + 0.01)
    return -np.sum(np.triu(m[:, None] * m / r, 1))


def d_n_body(x, m):
    d = x[:, None] - x
    r = np.sqrt((d**2).sum(-1) + 0.01)
    off = 1 - np.eye(len(m))
    dx = (off * m[:, None] * m / r**3)[:, :, None] * d
    return dx.sum(1), -(off * m / r).sum(1)


N_BODY = kind(
    "n-body energy", n_body, d_n_body, lambda r: (r(5, 3), r(5, low=0.5, high=2.0)),
    edit("r**3", "r**2", "local"),
    edit("dx.sum(1)", "dx.sum(0)", "sign axis"),
    edit("-(off * m / r).sum(1)", "-(m / r).sum(1)", "term part"),
    edit("-(off * m / r).sum(1)", "-np.triu(off * m / r).sum(1)", "symmetry part term"),
    edit("dx.sum(1)", "np.triu(dx.sum(-1))[:, :, None].sum(1) * np.ones(3)", "symmetry part axis"),
    edit("off * m[:, None] * m / r**3", "off * m / r**3", "local term"),
    edit("-(off * m / r).sum(1)", "-0.5 * (off * m / r).sum(1)", "factor symmetry"),
    style="loss",
)


def heat(u, k):
    """ten explicit steps of u' = (k u_x)_x with fixed ends; k between the points"""
    for _ in range(10):
        flux = 0.2 * k * (u[1:] - u[:-1])
        u = np.concatenate([u[:1], u[1:-1] + flux[1:] - flux[:-1], u[-1:]])
    return u


def d_heat(dout, u, k):
    states = []
    for _ in range(10):
        states.append(u)
        flux = 0.2 * k * (u[1:] - u[:-1])
        u = np.concatenate([u[:1], u[1:-1] + flux[1:] - flux[:-1], u[-1:]])
    du, dk = dout, np.zeros_like(k)
    for u in reversed(states):
        inner = np.concatenate([[0.0], du[1:-1], [0.0]])
        dflux = inner[:-1] - inner[1:]
        dk += dflux * 0.2 * (u[1:] - u[:-1])
        dg = 0.2 * k * dflux
        du = du + np.concatenate([[0.0], dg]) - np.concatenate([dg, [0.0]])
    return du, dk


HEAT = kind(
    "heat equation", heat, d_heat, lambda r: (r(7), r(6, low=0.5, high=1.5)),
    edit("inner = np.concatenate([[0.0], du[1:-1], [0.0]])", "inner = du", "part"),
    edit("dk += ", "dk = ", "repeat recursion term"),
    edit("in reversed(states)", "in states", "order recursion"),
    edit("in reversed(states)", "in reversed(states[1:])", "recursion"),
    edit(" - np.concatenate([dg, [0.0]])", "", "term"),
    edit("dflux * 0.2 *", "dflux *", "factor"),
    edit("dflux = inner[:-1] - inner[1:]", "dflux = inner[1:] - inner[:-1]", "sign"),
    edit("for u in reversed(states):", "for u in [states[0]] * 10:", "stale"),
)


KINDS = (NEURAL_ODE, PENDULUM, SCAN, EQUILIBRIUM, KALMAN, N_BODY, HEAT)
