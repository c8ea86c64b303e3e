"""Exercises: backward passes to write and broken GANs to repair, each with a judge.

`npgan exercises init` copies them into a folder; docs/exercises.md says how to begin.

`catalogue` lists the exercises with their hints and their known mistakes; `outcomes` runs what a
file defines on fixed numbers; `judging` compares, and says in one sentence what is wrong;
`quantities` and `relations` say what a wrong gradient is, `errors` what an error of Python means;
`child_process` judges in a process of its own; `folder` knows which exercise comes next. `files/`
has the exercises as the student gets them, `solutions/` the solutions.
"""
