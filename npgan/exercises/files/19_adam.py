"""Exercise 19: predict where Adam moves a weight.

Adam (Kingma & Ba 2015) keeps two moving averages for each weight, m of the gradient and v of its
square. Both start at 0; step t = 1, 2, ... with the gradient g does

    m = beta1 * m + (1 - beta1) * g             m_hat = m / (1 - beta1**t)
    v = beta2 * v + (1 - beta2) * g**2          v_hat = v / (1 - beta2**t)
    weight = weight - lr * m_hat / (sqrt(v_hat) + eps)

With lr = 0.1, beta1 = 0.5, beta2 = 0.9 and eps so small that it does not matter, a weight starts at
2.0. On paper, or in your head: where is it after the first step if the gradient is

    SMALL: g = 0.001        LARGE: g = 50

and AGAIN: where is it after a second step, if the gradient is 50 in both steps?
Write the numbers, to three digits.
"""

SMALL = None
LARGE = None
AGAIN = None
