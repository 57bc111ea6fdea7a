"""What calls `gradent run` again and again: cron. Another scheduler is one more file beside it."""
