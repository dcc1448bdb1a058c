"""Stand-ins for the processes that Locust conducts: quick, exact, and all they hear is kept."""
