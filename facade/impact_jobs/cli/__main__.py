"""``python -m impact_jobs.cli`` is ``impact-jobs``."""

from impact_jobs.cli import main

if __name__ == "__main__":
    main()
