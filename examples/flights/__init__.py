"""Real departures of January 2013 through a pair whose active is killed."""
