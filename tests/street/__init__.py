"""What stands outside the house: servers, programs and feeds that gradent meets, made real enough to run."""
