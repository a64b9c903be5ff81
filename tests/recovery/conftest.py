"""Sites as in tests/history."""

from tests.history.conftest import folder, site

__all__ = ["folder", "site"]
