"""One training step shared by several processes, with the same bits on any number of them.

A batch is cut into shards. `tree` adds what belongs to the shards in a fixed order; `group` is one
process that computes all of them.
"""
