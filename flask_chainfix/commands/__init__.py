"""What each command does, apart from options and output."""
