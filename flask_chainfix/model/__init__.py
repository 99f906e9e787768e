"""The data types that all packages use, frozen and without behaviour of their own."""
