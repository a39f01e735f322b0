"""Sets the portal up on one machine and keeps its processes running: what bin/run and bin/test do.

`packages` needs nothing but Python itself; the other modules run inside the virtual environment.
"""
