"""``python -m flask_chainfix``: the console script ``fixchain``."""

from flask_chainfix.cli.console import main

if __name__ == "__main__":
    main()
