"""What runs inside a container: a warm interpreter that forks a judge per job, which forks the sample's processes.

    agent (pid 1, root, sees no job)  ->  judge (root, one job)  ->  sample (a user of its own, one part of the job)

The files of this folder are copied into the image and use the standard library and numpy alone. The judge forks
the sample's processes before it reads the expected outputs, so no process that runs a sample ever held them.
"""
