"""Steps of a GAN to repair: right gradients of wrong losses, and one wrong gradient."""

from __future__ import annotations

from .. import outcomes
from .exercise import Exercise, Mistake, unchanged

TRAINING_STEPS = (
    Exercise(
        "11_labels",
        "a GAN that learns nothing",
        outcomes.step_of_d,
        (
            "Which rows of the logits belong to real images?",
            "np.concatenate([real, fake]): the first len(real) rows. Which target do they get?",
            "targets[: len(real)] = 1",
        ),
        (
            unchanged("the targets are exchanged: D learns to call generated images real"),
            Mistake(
                "targets[: len(real)] = 1",
                "targets[:] = 1",
                "all targets are 1: D learns that all is real",
            ),
            Mistake(
                "targets[: len(real)] = 1",
                "pass",
                "all targets are 0: D learns that all is generated",
            ),
            Mistake(
                "pull(dlogits,", "pull(-dlogits,", "the gradient has the wrong sign: D's loss grows"
            ),
            Mistake(
                "targets[: len(real)] = 1",
                "targets[:] = 0.5",
                "all targets are 1/2: D learns nothing",
            ),
        ),
        symptom="D's step lowers the logits of real images in comparison with generated ones",
    ),
    Exercise(
        "12_generator_target",
        "a generator that gets worse",
        outcomes.step_of_g,
        (
            "What shall D say about the images of G, if G has its way?",
            "D shall say real. Which target is that?",
            "targets = np.ones_like(logits)",
        ),
        (
            unchanged("G asks D to say generated: the target of G's images is 1 in G's step"),
            Mistake(
                "np.ones_like(logits)",
                "np.full_like(logits, 0.5)",
                "G asks for 1/2; its target is 1",
            ),
            Mistake(
                "pull_G(dfake,", "pull_G(-dfake,", "the gradient has the wrong sign: G's loss grows"
            ),
            Mistake(
                "    loss, dlogits = bce_with_logits(logits, targets)\n",
                "    loss, dlogits = bce_with_logits(logits, 1 - targets)\n    dlogits = "
                "-dlogits\n",
                "this is the minimax loss, -log(1 - D): its gradient is small while D is sure",
            ),
        ),
        symptom="after G's step, D's logits of the generated images are lower than before",
    ),
    Exercise(
        "13_stale_discriminator",
        "a generator that uses an old discriminator",
        outcomes.whole_step,
        (
            "Which weights of D does dfake belong to?",
            "dfake must be computed after optimiser_D.step(...).",
            "Move the three lines that compute dfake to just before G's update.",
        ),
        (
            unchanged("G gets its gradient from D as it was before its update"),
            Mistake(
                '    optimiser_D.step(pull_D(dlogits, wrt="params"))\n', "", "D is not updated"
            ),
            Mistake('    optimiser_G.step(pull_G(dfake, wrt="params"))\n', "", "G is not updated"),
            Mistake(
                "bce_with_logits(logits, np.ones_like(logits))",
                "bce_with_logits(logits, np.zeros_like(logits))",
                "G asks for the target 0; it wants D to say real",
            ),
            Mistake(
                '    dfake = pull_D(dlogits, wrt="input")\n',
                "    dfake, dtheta = pull_D(dlogits)\n    optimiser_D.step(dtheta)\n",
                "D is moved in G's step, too",
            ),
            Mistake(
                "np.concatenate([np.ones((len(real), 1)), np.zeros((len(fake), 1))])",
                "np.concatenate([np.zeros((len(real), 1)), np.ones((len(fake), 1))])",
                "the targets of D are exchanged",
            ),
        ),
        symptom="the update of G does not follow the gradient of D after its update",
    ),
    Exercise(
        "14_moved_discriminator",
        "a discriminator that helps the generator",
        outcomes.step_of_g,
        (
            "Whose weights may change in this function?",
            "Only those of G. Which line changes D's?",
            'Leave out optimiser_D.step, and ask pull_D for wrt="input" alone.',
        ),
        (
            unchanged("D's weights move in G's step, in the direction that G wants"),
            Mistake('    optimiser_G.step(pull_G(dfake, wrt="params"))\n', "", "G is not updated"),
            Mistake(
                '    dfake = pull_D(dlogits, wrt="input")\n',
                "    dfake, dtheta = pull_D(dlogits)\n    optimiser_D.step(-dtheta)\n",
                "D's weights move in G's step: leave them as they are",
            ),
            Mistake(
                "np.ones_like(logits)",
                "np.zeros_like(logits)",
                "G asks for the target 0; it wants D to say real",
            ),
        ),
        symptom="after G's step, the weights of D are not what they were",
    ),
    Exercise(
        "15_sum_for_mean",
        "a learning rate that depends on the size of the batch",
        outcomes.step_of_d,
        (
            "Which loss has the gradient sigmoid(logits) - targets: the mean or the sum?",
            "The sum. How many logits are there?",
            "Divide by len(logits), real and generated images together: "
            "dlogits = (sigmoid(logits) - targets) / len(logits)",
        ),
        (
            unchanged("this is the gradient of the sum; the loss is the mean over all logits"),
            Mistake(
                "/ len(logits)",
                "/ len(real)",
                "the mean is over real and generated images together",
            ),
            Mistake(
                "(sigmoid(logits) - targets)",
                "(targets - sigmoid(logits))",
                "the gradient has the wrong sign",
            ),
            Mistake("/ len(logits)", "/ len(logits) ** 2", "divided by the number of logits twice"),
        ),
        symptom="with twice as many images, the step is twice as long",
    ),
    Exercise(
        "16_missing_gate",
        "a GAN that trains, though its gradient is wrong",
        outcomes.pullback("16_missing_gate", "dL/dz", "dL/dW1", "dL/dW2"),
        (
            "forward calls three functions of arrays: two products, LeakyReLU, tanh. Which have "
            "a line in pull?",
            "The derivative of tanh from its output is exercise 5.",
            "dout = dimage * (1 - image**2), and dout instead of dimage below.",
        ),
        (
            unchanged(
                "the derivative of tanh is missing: dimage must be multiplied with 1 - image²"
            ),
            Mistake("1 - image**2", "1 - image", "the square is missing: 1 - image²"),
            Mistake(
                "1 - image**2", "1 + image**2", "the derivative of tanh is 1 - image², not 1 +"
            ),
            Mistake(
                "dimage * (1 - image**2)",
                "dimage / (1 - image**2)",
                "dimage is divided by 1 - image²: multiply with it",
            ),
            Mistake(
                "dW2 = h.T @ dout",
                "dW2 = h.T @ dimage",
                "dW2 contains dimage: use the gradient behind the gate",
            ),
            Mistake(
                "dh = dout @ W2.T",
                "dh = dimage @ W2.T",
                "dh contains dimage: use the gradient behind the gate",
            ),
            Mistake(
                "1 - image**2",
                "1 - (h @ W2) ** 2",
                "1 - y² needs y, the output of tanh, not its argument",
            ),
        ),
        symptom="the gradients differ from the numerical derivatives",
    ),
)
