"""Starting servers and loads, in interleaved rounds, and what comes out of them."""
