"""Code that runs in a sample's process, or prepares it. A sample can read and change all of it."""
