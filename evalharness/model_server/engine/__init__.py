"""Generation for the model server: jobs, and the engines that run them."""
