"""RSS and Atom feeds into an input topic: what strangers serve, fetched politely and read at arm's length."""
