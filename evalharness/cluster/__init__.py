"""Engine ray: generation and grading on the nodes of a Ray cluster, with the pipeline and the store on the driver."""
