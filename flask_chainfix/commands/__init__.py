"""What each command does, without a word about options and output."""
