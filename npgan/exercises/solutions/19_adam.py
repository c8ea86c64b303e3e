"""In the first step Adam moves each weight by lr, whatever the size of its gradient.

After one step m_hat = g and v_hat = g², so m_hat / sqrt(v_hat) is the sign of g: the weight goes
from 2.0 to 1.9 for g = 0.001 and for g = 50. If the gradient stays the same, m_hat and v_hat stay g
and g², and the second step is as long as the first.
"""

SMALL = 1.9
LARGE = 1.9
AGAIN = 1.8
