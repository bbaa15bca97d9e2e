"""What holds for all tests."""

import os

from hypothesis import settings

# No deadlines: how long an example takes says more about the machine than about the code. CI always tries
# the same examples, so that a change is judged by what it changed.
settings.register_profile("person", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "person")
