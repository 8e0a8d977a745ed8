"""Opens checkpoints: folders of this project and open families."""
