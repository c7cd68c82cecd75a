"""``python -m pyvolume.cli``: the command, where its script is not installed."""

from pyvolume.cli import main

if __name__ == "__main__":
    main()
