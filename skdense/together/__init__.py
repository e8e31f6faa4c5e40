"""Many fits at a time: in come jobs, each a fit that has been prepared; out they go trained."""
