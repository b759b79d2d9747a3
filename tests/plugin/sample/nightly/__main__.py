"""`python -m nightly FOLDER JOB...`: exit code 1 if a result is missing."""

import sys
from pathlib import Path

from .pulling import pull

pulled = pull(sys.argv[2:], Path(sys.argv[1]))
sys.stdout.writelines(f"{path}\n" for path in pulled.files.values())
sys.stderr.writelines(f"{problem}\n" for problem in pulled.problems.values())
sys.exit(1 if pulled.problems else 0)
