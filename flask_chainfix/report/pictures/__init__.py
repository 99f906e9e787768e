"""The chain as a picture: its contents, layout and formats."""
