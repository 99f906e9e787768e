"""What every room needs: errors, wording, quoting, signals."""
