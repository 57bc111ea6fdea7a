"""gradent runs an autonomous study agent from system cron and tells your phone what it did."""

__version__ = "0.1.0"
