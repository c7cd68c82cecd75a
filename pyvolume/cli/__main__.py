"""``python -m pyvolume.cli``: the command."""

from pyvolume.cli import main

if __name__ == "__main__":
    main()
