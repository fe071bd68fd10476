"""`python -m deprovisioner`: the same front door as the console script."""

from deprovisioner.house import main

if __name__ == "__main__":
    main()
