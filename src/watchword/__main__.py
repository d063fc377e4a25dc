"""Run the command line: `python -m watchword`."""

from watchword.cli import main

if __name__ == "__main__":
    main()
