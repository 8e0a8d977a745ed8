"""The HTML report (`evalharness report`): a folder of static files about runs, down to single samples."""
