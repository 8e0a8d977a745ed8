"""Executor `ray`: generates and grades on the nodes of a Ray cluster, while the driver runs pipeline and store."""
