"""What is checked: a function of float arrays with its gradient.

Reading order: errors, types, options, random_streams, arrays, leaves, tree, choice, styles, advice,
returned, output, problem, others, analytic.
"""
