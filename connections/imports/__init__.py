"""Files of connections made elsewhere: read, understood and judged row by row. No Django here."""
