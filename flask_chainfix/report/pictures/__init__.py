"""The chain as a picture: what it shows, how it is laid out, and in which language."""
