"""The agent in a container: a running interpreter that forks a judge per job, which forks the sample's processes.

    agent (pid 1, root, reads no job)  ->  judge (root, one job)  ->  sample (its own user, one part of the job)

`judge/` runs in the judge's process, `sample/` in the sample's, `shared/` in both; `sample/` imports nothing of
`judge/`. The image holds a copy of this folder, which uses only the standard library and numpy. The judge forks the
sample's processes before it reads the expected outputs, so that no process that runs a sample has ever held them.
"""
