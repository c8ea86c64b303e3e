"""One whole training step, D's and G's update with Adam, of the same networks in several libraries.

    python benchmarks/step.py [--batch 32 64 128] [--peers npgan torch-eager ...] [--threads 2] [--json FILE]

Each peer runs in a process of its own, with a clean environment; those that are not installed are left
out. First all of them take one step from the same weights, batch and noise, and must report the same two
losses. Then they take turns, a few steps each, round after round, so that a slow second of the machine hits
all alike. Compilation and warm-up come before. The result is the ratio to npgan, beside the measured peak.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

G_SIZES, D_SIZES = (100, 256, 512, 1024, 784), (784, 512, 256, 1)
LR, BETA1, SLOPE = 2e-4, 0.5, 0.2
Step = Callable[[np.ndarray, np.ndarray], tuple[float, float]]  # (real, z) -> (D's loss, G's loss), in nats


# ---- the peers: (weights of G, of D) -> a step.  weights: a list of W, b, W, b, ... ----


def npgan_step(G0: list[np.ndarray], D0: list[np.ndarray], kernels: str = "compiled") -> Step:
    import npgan
    from npgan import Adam, Discriminator, Generator, discriminator_step, generator_step

    npgan.use_kernels(kernels)
    npgan.set_threads(int(os.environ["OMP_NUM_THREADS"]))
    G, D = Generator(), Discriminator()
    G.theta[:], D.theta[:] = npgan.flatten(G0), npgan.flatten(D0)
    adam_G, adam_D = Adam(G, LR, BETA1), Adam(D, LR, BETA1)

    def step(real: np.ndarray, z: np.ndarray) -> tuple[float, float]:
        fake, pull_G = G.forward(z)
        loss_D = discriminator_step(D, adam_D, real, fake)["loss_D"]
        return loss_D, generator_step(D, adam_G, fake, pull_G)["loss_G"]

    return step


def plain_numpy(G0: list[np.ndarray], D0: list[np.ndarray]) -> Step:
    return npgan_step(G0, D0, "reference")


def torch_networks(G0: list[np.ndarray], D0: list[np.ndarray]) -> tuple[Any, Any, Any]:
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    def network(weights: list[np.ndarray], last: list[Any]) -> Any:
        layers: list[Any] = []
        for W, b in zip(weights[::2], weights[1::2], strict=True):
            dense = torch.nn.Linear(*W.shape)
            dense.weight.data, dense.bias.data = torch.tensor(W.T.copy()), torch.tensor(b.copy())
            layers += [dense, torch.nn.LeakyReLU(SLOPE, inplace=True)]
        return torch.nn.Sequential(*layers[:-1], *last)

    return torch, network(G0, [torch.nn.Tanh()]), network(D0, [])


def torch_eager(G0: list[np.ndarray], D0: list[np.ndarray]) -> Step:
    """As known scripts write it: D called on real and fake apart, its gradients made in G's step, too."""
    torch, G, D = torch_networks(G0, D0)
    bce = torch.nn.BCEWithLogitsLoss()
    adam_G = torch.optim.Adam(G.parameters(), lr=LR, betas=(BETA1, 0.999))
    adam_D = torch.optim.Adam(D.parameters(), lr=LR, betas=(BETA1, 0.999))

    def step(real: np.ndarray, z: np.ndarray) -> tuple[float, float]:
        ones, zeros = torch.ones(len(z), 1), torch.zeros(len(z), 1)
        fake = G(torch.from_numpy(z))
        adam_D.zero_grad()
        loss_D = bce(D(torch.from_numpy(real)), ones) + bce(D(fake.detach()), zeros)
        loss_D.backward()
        adam_D.step()
        adam_G.zero_grad()
        loss_G = bce(D(fake), ones)
        loss_G.backward()
        adam_G.step()
        return loss_D.item(), loss_G.item()

    return step


def torch_tuned(G0: list[np.ndarray], D0: list[np.ndarray], compiled: bool = False) -> Step:
    """Fused Adam, one pass of D over real and fake, and D frozen while G moves."""
    torch, G, D = torch_networks(G0, D0)
    softplus = torch.nn.functional.softplus
    adam_G = torch.optim.Adam(G.parameters(), lr=LR, betas=(BETA1, 0.999), fused=True)
    adam_D = torch.optim.Adam(D.parameters(), lr=LR, betas=(BETA1, 0.999), fused=True)

    def of_D(real: Any, fake: Any) -> Any:
        logits = D(torch.cat([real, fake]))
        return softplus(-logits[: len(real)]).mean() + softplus(logits[len(real) :]).mean()

    def of_G(fake: Any) -> Any:
        return softplus(-D(fake)).mean()

    generate = G
    if compiled:
        generate, of_D, of_G = (torch.compile(f) for f in (G, of_D, of_G))

    def step(real: np.ndarray, z: np.ndarray) -> tuple[float, float]:
        fake = generate(torch.from_numpy(z))
        loss_D = of_D(torch.from_numpy(real), fake.detach())
        loss_D.backward()
        adam_D.step()
        adam_D.zero_grad(set_to_none=True)
        D.requires_grad_(False)
        loss_G = of_G(fake)
        loss_G.backward()
        adam_G.step()
        adam_G.zero_grad(set_to_none=True)
        D.requires_grad_(True)
        return loss_D.item(), loss_G.item()

    return step


def torch_compiled(G0: list[np.ndarray], D0: list[np.ndarray]) -> Step:
    return torch_tuned(G0, D0, compiled=True)


def jax_jit(G0: list[np.ndarray], D0: list[np.ndarray]) -> Step:
    """The whole step in one jit, its state donated; D's new weights are used for G's half."""
    import jax
    import jax.numpy as jnp

    def forward(weights: Any, x: Any) -> Any:
        for i in range(0, len(weights), 2):
            x = x @ weights[i] + weights[i + 1]
            if i + 2 < len(weights):
                x = jnp.where(x > 0, x, SLOPE * x)
        return x

    def adam(weights: Any, grads: Any, state: Any, t: Any) -> tuple[Any, Any]:
        moved, kept = [], []
        for w, g, (m, v) in zip(weights, grads, state, strict=True):
            m, v = BETA1 * m + (1 - BETA1) * g, 0.999 * v + 0.001 * g * g
            moved.append(w - LR * m / (1 - BETA1**t) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8))
            kept.append((m, v))
        return moved, kept

    def update(state: Any, real: Any, z: Any) -> tuple[Any, Any, Any]:
        G, D, of_G, of_D, t = state
        t = t + 1
        fake, back = jax.vjp(lambda G: jnp.tanh(forward(G, z)), G)

        def loss_D(D: Any) -> Any:
            logits = forward(D, jnp.concatenate([real, fake]))
            return jax.nn.softplus(-logits[: len(real)]).mean() + jax.nn.softplus(logits[len(real) :]).mean()

        value_D, grads = jax.value_and_grad(loss_D)(D)
        D, of_D = adam(D, grads, of_D, t)
        value_G, dfake = jax.value_and_grad(lambda x: jax.nn.softplus(-forward(D, x)).mean())(fake)
        G, of_G = adam(G, back(dfake)[0], of_G, t)
        return (G, D, of_G, of_D, t), value_D, value_G

    jitted = jax.jit(update, donate_argnums=0)
    G, D = [jnp.array(w) for w in G0], [jnp.array(w) for w in D0]
    zeros = lambda net: [(jnp.zeros_like(w), jnp.zeros_like(w)) for w in net]
    state = (G, D, zeros(G), zeros(D), jnp.zeros((), jnp.float32))

    def step(real: np.ndarray, z: np.ndarray) -> tuple[float, float]:
        nonlocal state
        state, loss_D, loss_G = jitted(state, real, z)
        return float(loss_D), float(loss_G)

    return step


PEERS: dict[str, tuple[str, Callable[..., Step]]] = {  # name -> (the module it needs, its step)
    "npgan": ("numba", npgan_step),
    "numpy": ("numpy", plain_numpy),
    "torch-eager": ("torch", torch_eager),
    "torch-tuned": ("torch", torch_tuned),
    "torch-compiled": ("torch", torch_compiled),
    "jax-jit": ("jax", jax_jit),
}


# ---- a peer's process: reads commands, answers in JSON ----


def work_as(peer: str, folder: Path) -> None:
    """Lines on stdin: `start B` (new weights, one step), `run N` (N steps, their times), end of file."""
    began = time.perf_counter()
    __import__(PEERS[peer][0])
    imported = time.perf_counter() - began
    step: Step | None = None
    for line in sys.stdin:
        command, n = line.split()
        if command == "start":
            data = np.load(folder / f"{n}.npz")
            weights = [[data[f"{net}{i}"] for i in range(2 * len(sizes) - 2)] for net, sizes in SIZES.items()]
            began = time.perf_counter()
            step = PEERS[peer][1](*weights)
            losses = step(data["real"], data["z"])
            first = time.perf_counter() - began
            for _ in range(20):
                step(data["real"], data["z"])
            answer: Any = {"losses": losses, "import": imported, "first": first}
        else:
            times = []
            for _ in range(int(n)):
                began = time.perf_counter()
                step(data["real"], data["z"])  # type: ignore[misc]
                times.append(time.perf_counter() - began)
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            answer = {"times": times, "memory": peak}
        print("answer " + json.dumps(answer), flush=True)


SIZES = {"G": G_SIZES, "D": D_SIZES}


class Peer:
    """The parent's end of such a process."""

    def __init__(self, name: str, folder: Path, threads: int):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS", "OMP", "MKL", "NUMBA"))}
        for variable in ("OMP", "OPENBLAS", "MKL"):
            clean[f"{variable}_NUM_THREADS"] = str(threads)
        clean["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=" + ("false" if threads == 1 else "true")
        command = [sys.executable, __file__, "--work-as", name, str(folder)]
        self.process = subprocess.Popen(
            command,
            env=clean,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def ask(self, command: str) -> Any:
        process: Any = self.process  # its three streams are pipes
        process.stdin.write(command + "\n")
        process.stdin.flush()
        for line in process.stdout:
            if line.startswith("answer "):
                return json.loads(line[7:])
        raise RuntimeError(process.stderr.read()[-2000:])


# ---- the comparison ----


def problem(batch: int) -> dict[str, np.ndarray]:
    """Weights, a batch and noise; the same for every peer."""
    from npgan import Discriminator, Generator

    rng = np.random.default_rng(0)
    arrays = {"real": rng.uniform(-1, 1, (batch, 784)).astype(np.float32),
              "z": rng.standard_normal((batch, 100), dtype=np.float32)}  # fmt: skip
    for net, parameters in (("G", Generator(rng=1)), ("D", Discriminator(rng=2))):
        arrays |= {f"{net}{i}": p for i, (_, p) in enumerate(parameters.named_parameters())}
    return arrays


def flops(batch: int) -> float:
    """Of the matrix products that a step cannot do without, two per multiply-add."""
    G, D = ([a * b for a, b in pairwise(sizes)] for sizes in (G_SIZES, D_SIZES))
    of_G = 3 * sum(G) - G[0]  # forward, to weights, to inputs but not to z
    of_D = 2 * (3 * sum(D) - D[0]) + 2 * sum(D)  # on 2 B images; then forward and to inputs on B
    return 2.0 * batch * (of_G + of_D)


def compare(names: list[str], batches: list[int], threads: int, rounds: int) -> dict[str, Any]:
    results: dict[str, Any] = {"threads": threads, "batch": {}}
    with tempfile.TemporaryDirectory() as folder:
        for batch in batches:
            np.savez(Path(folder) / f"{batch}.npz", **problem(batch))  # type: ignore[arg-type]
            peers = {name: Peer(name, Path(folder), threads) for name in names}
            started = {name: peer.ask(f"start {batch}") for name, peer in peers.items()}
            expected = started[names[0]]["losses"]
            for name, answer in started.items():
                if not np.allclose(answer["losses"], expected, rtol=1e-4):
                    raise SystemExit(f"{name} computes losses {answer['losses']}, {names[0]} {expected}")
            times: dict[str, list[float]] = {name: [] for name in names}
            memory = {}
            for _ in range(rounds):
                for name, peer in peers.items():
                    answer = peer.ask("run 10")
                    times[name] += answer["times"]
                    memory[name] = answer["memory"]
            for peer in peers.values():
                peer.process.stdin.close()  # type: ignore[union-attr]
                peer.process.wait()
            results["batch"][batch] = {
                name: {
                    "median_ms": 1e3 * float(np.median(times[name])), "min_ms": 1e3 * min(times[name]),
                    "ratio": float(np.median(times[name]) / np.median(times[names[0]])),
                    "gflops": flops(batch) / float(np.median(times[name])) / 1e9,
                    "import_s": started[name]["import"], "first_step_s": started[name]["first"],
                    "memory_mb": memory[name],
                }
                for name in names
            }  # fmt: skip
    return results


def table(results: dict[str, Any], peak: float) -> str:
    lines = [
        "| batch | peer | median ms | min ms | ratio | of peak | import s | first step s | memory MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for batch, rows in results["batch"].items():
        for name, r in rows.items():
            lines.append(
                f"| {batch} | {name} | {r['median_ms']:.2f} | {r['min_ms']:.2f} | {r['ratio']:.2f} | "
                f"{r['gflops'] / peak:.0%} | {r['import_s']:.1f} | {r['first_step_s']:.1f} | "
                f"{r['memory_mb']:.0f} |"
            )
    return "\n".join(lines)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work-as", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work_as:
        return work_as(args.work_as[0], Path(args.work_as[1]))
    from peak import peak

    names = [name for name in args.peers if importlib.util.find_spec(PEERS[name][0])]
    for name in sorted(set(args.peers) - set(names)):
        print(f"{name} is left out: {PEERS[name][0]} is not installed", file=sys.stderr)
    before = peak(args.threads)
    results = compare(names, args.batch, args.threads, args.rounds)
    results["peak_gflops"] = [before, peak(args.threads)]
    print(f"{args.threads} thread(s), measured peak {max(results['peak_gflops']):.0f} GFLOP/s\n")
    print(table(results, max(results["peak_gflops"])))
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")
    return None


if __name__ == "__main__":
    main()
