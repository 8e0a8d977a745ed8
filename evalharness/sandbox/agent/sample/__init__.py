"""Code that runs in the sample's process, or prepares it. A sample can read and change all of it."""
