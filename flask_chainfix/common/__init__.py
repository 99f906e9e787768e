"""What every package needs: errors, wording, quoting, signals."""
