"""-log(1/2) = ln 2: it is the loss of whoever can only guess between two possibilities.

FIRST: sigmoid(0) = 1/2, so each example costs ln 2, and so does the mean. PERFECT: D says 1/2 about
each image of G. PAIRS: a difference of 0 gives sigmoid(0) = 1/2 again. VALUE is a sum of two such
terms with the sign of a gain, not of a loss: -2 ln 2, which is -log 4. So a loss of ln 2 says
"cannot tell", at the beginning as well as at the end: it does not say that a training went well.
"""

FIRST = 0.693
PERFECT = 0.693
PAIRS = 0.693
VALUE = -1.386
