"""Other people's clients drive the mocks on a socket, unpatched."""
