"""One GAN trained by several processes, with the same bits on any number of them.

A batch is cut into shards. `tree` adds the gradients of the shards in a fixed order; `group` is one
process that computes all of them, `shared` one of several that exchange them; `processes` has the
messages that do not depend on shards, `launcher` finds out what mpirun has started.
"""
