"""An organization as an archive: which rows become which file, and the scripts that read them."""
