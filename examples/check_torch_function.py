"""A hand-written torch.autograd.Function, right and with a bug, checked with npgan.testing.

    python examples/check_torch_function.py        (needs PyTorch: pip install torch)

The function is Swish with a learned slope (Ramachandran et al. 2017), s the logistic function:

    y = x s(b x)        x (B, F), b (F,)
"""

import numpy as np
import torch

from npgan.testing import check_gradients


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, b):
        ctx.save_for_backward(x, b)
        return x * torch.sigmoid(b * x)

    @staticmethod
    def backward(ctx, dout):
        x, b = ctx.saved_tensors
        s = torch.sigmoid(b * x)
        slope = s * (1 - s)
        return dout * (s + b * x * slope), (dout * x**2 * slope).sum(dim=0)


class WrongSwish(Swish):
    @staticmethod
    def backward(ctx, dout):
        dx, db = Swish.backward(ctx, dout)
        return dx, db / len(dx)  # averaged over the batch by mistake


def in_numpy(function):
    """(forward, backward) of NumPy arrays, for check_gradients."""

    def forward(*arrays):
        return function(*map(torch.as_tensor, arrays)).detach().numpy()

    def backward(dout, *arrays):
        tensors = [torch.as_tensor(a).requires_grad_() for a in arrays]
        function(*tensors).backward(torch.as_tensor(dout))
        return [t.grad.numpy() for t in tensors]

    return forward, backward


def main():
    rng = np.random.default_rng(0)
    args = rng.standard_normal((6, 3)), rng.standard_normal(3)
    reports = []
    for function in (Swish, WrongSwish):
        reports.append(check_gradients(*in_numpy(function.apply), args, argnames=("x", "b")))
        print(f"---- {function.__name__} ----\n{reports[-1]}\n")
    return reports


if __name__ == "__main__":
    main()
