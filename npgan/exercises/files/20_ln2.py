"""Exercise 20: why ln 2, three times.

In the curves of a GAN the number ln 2 = 0.693 appears again and again. Three questions; the answers
are numbers, to three digits (np.log is allowed).

FIRST: D has just been made; all its logits are 0, for real and for generated images. What is its
loss, the mean of the binary cross-entropy over real (target 1) and generated images (target 0)?

PERFECT: G has become perfect, and D is as good as it can be: nobody can tell, so D says 1/2. What
is the loss of G, -log(sigmoid(logit)) of its images?

PAIRS: in the relativistic loss D compares two images, and its loss is -log(sigmoid(difference)),
where difference = logit of the real one - logit of the generated one. What is it, for a D that
cannot tell them apart?

And one number that is not ln 2. In papers the game's value is often the *sum* of D's losses at real
and at generated images, with the other sign (Goodfellow et al. 2014): V = E log D(real) +
E log(1 - D(fake)). VALUE: what is V in the situation of PERFECT?
"""

FIRST = None
PERFECT = None
PAIRS = None
VALUE = None
